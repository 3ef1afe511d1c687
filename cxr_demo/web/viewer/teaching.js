// Guess first: a student says what they see and where before the model's answer is shown; then both stand side by side.

const quiz = {on: false, said: 0, named: 0, judged: 0, right: 0, marked: 0, met: 0};
const guessing = () => quiz.on && Boolean(current()?.image) && !state.film.guess?.revealed;
const NOTHING = -1;  // what is guessed where none of the findings is seen

const guessFinding = make('select', {id: 'cxr-guess', onchange: () => {
  guessOf(state.film).finding = guessFinding.value === '' ? null : Number(guessFinding.value);
  showQuiz();
}});
const guessMark = button(tr('Mark where'), {class: 'quiet', id: 'cxr-guess-mark'}, () => drawBox.click());
const guessReveal = button(tr('Reveal'), {class: 'quiet', id: 'cxr-reveal'}, revealGuess);
const guessSays = make('div', {class: 'said', role: 'status'});
// A drawn film that was not guessed yet, whose name and note would give it away.
const guessAny = button(tr('A drawn film by chance'), {class: 'quiet', id: 'cxr-guess-any', hidden: !page.phantoms.length}, () => {
  const known = item => state.films.some(film => plantedIn(film) === item && film.guess?.revealed);
  const left = page.phantoms.filter(item => !known(item));
  const among = left.length ? left : page.phantoms;
  const item = among[Math.floor(Math.random() * among.length)];
  state.films = state.films.filter(film => plantedIn(film) !== item);
  addBuiltIn('phantom', item);
});
const guessForm = make('div', {class: 'group'}, make('label', {for: 'cxr-guess'}, tr('What do you see?')), guessFinding, guessMark, guessReveal);
const guessPane = make('section', {class: 'quiz', 'aria-label': tr('Guess first'), hidden: true},
  make('h2', {}, tr('Guess first')),
  make('p', {class: 'soft'}, tr('Say what you see and mark where you would look. Then compare with the model, its maps, and what is known of the film.')),
  guessForm, guessSays, make('div', {class: 'group'}, guessAny));
const quizButton = button(tr('Guess first'), {class: 'quiet', id: 'cxr-quiz', 'aria-pressed': 'false',
  title: tr('Hides the model\u2019s answer until you have given yours')}, () => {
  quiz.on = !quiz.on;
  quizButton.setAttribute('aria-pressed', String(quiz.on));
  showQuiz();
  draw();
});

const guessOf = film => film.guess ??= {finding: null, edges: null, revealed: false};

function showQuiz() {
  element.firstElementChild?.classList.toggle('guessing', guessing());
  guessPane.hidden = !quiz.on;
  guessForm.hidden = !current()?.image;
  guessSays.replaceChildren();
  filmPane.dataset.kind = state.film?.source?.kind ?? '';
  if (guessPane.hidden || guessForm.hidden) return;
  const guess = guessOf(state.film);
  guessForm.hidden = guess.revealed;
  const {labels} = current().seen;
  const options = [['', tr('choose\u2026')], [NOTHING, tr('none of these')], ...labels.map((label, i) => [i, readable(label)]).sort((a, b) => a[1].localeCompare(b[1]))];
  if ([...guessFinding.options].map(option => option.value).join() !== options.map(([value]) => value).join()) {
    guessFinding.replaceChildren(...options.map(([value, words]) => make('option', {value}, words)));
  }
  guessFinding.value = guess.finding ?? '';
  guessReveal.disabled = guess.finding === null;
  guessMark.setAttribute('aria-pressed', String(Boolean(state.drawing)));
  say(guessMark, guess.edges ? tr('Mark again') : tr('Mark where'));
  guessSays.replaceChildren(...(guess.revealed ? compared(guess) : []).map(text => make('p', {}, text)));
}

function revealGuess() {
  const guess = guessOf(state.film);
  guess.revealed = true;
  const {labels, ranked} = current().seen;
  quiz.said += 1;
  quiz.named += ranked.indexOf(guess.finding) >= 0 && ranked.indexOf(guess.finding) < 3;
  if (knownFindings()) {
    quiz.judged += 1;
    quiz.right += isRight(guess);
  }
  const known = knownEdges(guess);
  if (guess.edges && known.length) {
    quiz.marked += 1;
    quiz.met += known.some(edges => overlapOf(edges, guess.edges) > 0);
  }
  if (guess.finding !== NOTHING) {
    if (guess.edges) (state.film.boxes ??= []).push({label: labels[guess.finding], edges: guess.edges});
    pick(guess.finding, true);
    if (guess.edges) askTrust(true);
  }
  showQuiz();
  draw();
}

const givenBoxes = () => (state.film.boxes ?? []).filter(box => box.given);

// The findings that the film is known to show: what was planted, or what the boxes given with it are of; null where
// nothing is known.
function knownFindings() {
  const planted = plantedIn(state.film);
  if (planted) return [planted.finding].filter(Boolean);
  const given = givenBoxes().map(box => box.label);
  return given.length ? [...new Set(given)] : null;
}

function isRight({finding}) {
  const known = knownFindings();
  return finding === NOTHING ? !known.length : known.includes(current().seen.labels[finding]);
}

// Where it is, of whatever finding.
const truthEdges = () => [plantedIn(state.film)?.edges, ...givenBoxes().map(box => box.edges)].filter(present);

// What is known to be true of the film: where it was planted, or where a table of boxes has what was guessed.
function knownEdges({finding}) {
  const planted = plantedIn(state.film);
  if (planted) return planted.edges ? [planted.edges] : [];
  return givenBoxes().filter(box => box.label === current().seen.labels[finding]).map(box => box.edges);
}

const plantedIn = film => film.source?.kind === 'phantom' ? page.phantoms.find(item => item.key === film.source.key) : null;

// ------------------------------------------------------------------ lessons: films with a model made for them

const lessonOf = film => film.source?.kind === 'lesson' ? page.lessons.find(item => item.key === film.source.key) : null;

// The model that the visitor chose, also while a lesson's is on.
const chosenModel = () => page.lessons.some(item => item.model.name === state.model) ? state.before ?? page.model : state.model;

// A lesson's model is in the list while its film is looked at; another film goes back to the one that was chosen before.
function useModelOf(film) {
  const own = lessonOf(film)?.model;
  state.before = chosenModel();
  models.querySelector('[data-lesson]')?.remove();
  if (own) models.prepend(make('option', {value: own.name, 'data-lesson': true}, told(own.title)));
  state.model = models.value = own?.name ?? state.before;
  if (!current()) { state.chosen = null; showFindings(); }
}

// Intersection over union of two boxes.
function overlapOf([a, b, c, d], [e, f, g, h]) {
  const shared = Math.max(0, Math.min(c, g) - Math.max(a, e)) * Math.max(0, Math.min(d, h) - Math.max(b, f));
  return shared / ((c - a) * (d - b) + (g - e) * (h - f) - shared);
}

// In sentences: the guess, the model's answer, the truth where it is known, and the maps under the mark.
function compared(guess) {
  const {labels, ranked, probabilities, thresholds} = current().seen;
  const above = i => thresholds[i] !== null && probabilities[i] >= thresholds[i];
  const said = [];
  if (guess.finding === NOTHING) {
    const most = ranked.filter(above);
    said.push(!most.length ? tr('You saw none of these findings. The model has none above its operating point either.')
      : tr('You saw none of these findings. The model has {n} above the operating point, first {finding} with {p}.',
        {n: most.length, finding: readable(labels[most[0]]), p: percent(probabilities[most[0]])}));
  } else {
    const given = {finding: readable(labels[guess.finding]), p: percent(probabilities[guess.finding]), place: ranked.indexOf(guess.finding) + 1, n: ranked.length};
    said.push(above(guess.finding) ? tr('You saw {finding}. The model gives it {p}, above its operating point: number {place} of {n}.', given)
      : tr('You saw {finding}. The model gives it {p}: number {place} of {n}.', given));
  }
  const known = knownFindings();
  if (known) said.unshift(isRight(guess) ? tr('Right.') : tr('That is not what is known of this film.'));
  const planted = plantedIn(state.film);
  if (known && !planted) said.push(tr('What is true: the boxes given with it are of {findings}.', {findings: known.map(readable).join(', ')}));
  if (planted) said.push([tr('What is true: {truth}', {truth: planted.planted}), planted.finding ? tr('That is {finding}.', {finding: readable(planted.finding)}) : '',
    tr('The model learned from people\u2019s films and need not find what is drawn.')].filter(Boolean).join(' '));
  const places = knownEdges(guess);
  if (truthEdges().length) said.push(tr('Yellow on the film: the known place.'));
  if (guess.edges && places.length) said.push(tr('Your mark and the known place overlap by {value} (IoU; 1 is the same box, 0 no contact).',
    {value: fixed(Math.max(...places.map(edges => overlapOf(edges, guess.edges))), 2)}));
  if (guess.edges && guess.finding !== NOTHING) {
    const found = shown().filter(card => entryOf(card)?.maps).map(card => `${card.method.title} ${share(evidenceIn(entryOf(card).maps, guess.finding, guess.edges))}`);
    if (found.length) said.push(tr('Of each map\u2019s evidence for it, so much lies in your mark: {shares}. The mark is {area} of what the model sees.',
      {shares: found.join(', '), area: share(areaOf(guess.edges))}));
  }
  if (quiz.judged) said.push(tr('So far: {right} of {n} guesses were right, where the truth is known.', {right: quiz.right, n: quiz.judged}));
  said.push(tr('So far: {named} of {n} guesses were among the model\u2019s first three.', {named: quiz.named, n: quiz.said}));
  if (quiz.marked) said.push(tr('{met} of {n} marks met the known place.', {met: quiz.met, n: quiz.marked}));
  return said;
}

// A box in the cells of a map: first and last column, first and last row, as far as the model sees it.
function cellsOf([left, top, right, bottom], side) {
  const {crop} = current().seen.film;
  const at = (value, from, size) => clamp(Math.round((value - from) / size * side), 0, side);
  return [at(left, crop.left, crop.width), at(right, crop.left, crop.width), at(top, crop.top, crop.height), at(bottom, crop.top, crop.height)];
}

function areaOf(edges) {
  const [x0, x1, y0, y1] = cellsOf(edges, 1000);
  return (x1 - x0) * (y1 - y0) / 1000 ** 2;
}

// Share of what speaks for a finding that lies in a box; null where nothing does.
function evidenceIn(maps, i, edges) {
  const {side} = maps;
  const [x0, x1, y0, y1] = cellsOf(edges, side);
  let [inside, all] = [0, 0];
  plane(maps, i).forEach((q, k) => {
    if (q <= 0) return;
    const [x, y] = [k % side, Math.floor(k / side)];
    all += q;
    if (x >= x0 && x < x1 && y >= y0 && y < y1) inside += q;
  });
  return all ? inside / all : null;
}
