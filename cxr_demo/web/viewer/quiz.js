// Guess first: a student says what they see and where before the model's answer is shown; then both stand side by side.

/** @import {Edges, Guess, Phantom, Result} from './types.d.ts' */
import {addBuiltIn, pick} from './actions.js';
import {button, make, setText} from './dom.js';
import {areaOf, overlapOf} from './geometry.js';
import {tr} from './i18n.js';
import {evidenceIn} from './maps.js';
import {fixed, percent, readable, share} from './numbers.js';
import {isAbove} from './predictions.js';
import {askTrust} from './requests.js';
import {NONE, addBox, changeQuiz, current, entryOf, guess, guessing, on, publish, removeFilms, shown, state} from './store.js';
import {isRight, knownEdges, knownFindings, plantedIn, truthEdges} from './truth.js';

/** @typedef {ReturnType<typeof createParts>} Parts */
/** @type {Guess} */
const NO_GUESS = {finding: null, edges: null, revealed: false};

/**
 * @param {HTMLElement} root that hides answers @param {HTMLElement} filmPane that hides what a film's name gives away
 * @param {() => void} mark begins a box @returns the pane, and the button that opens it
 */
export function createQuiz(root, filmPane, mark) {
  const parts = createParts(mark);
  const opener = button(tr('Guess first'), {class: 'quiet', id: 'cxr-quiz', 'aria-pressed': 'false',
    title: tr('Hides the model\u2019s answer until you have given yours')}, () => {
    changeQuiz({on: !state.quiz.on});
    opener.setAttribute('aria-pressed', String(state.quiz.on));
    publish('quiz');
    publish('draw');
  });
  const show = () => {
    root.classList.toggle('guessing', guessing());
    filmPane.dataset.kind = state.film?.source?.kind ?? '';
    showQuiz(parts);
  };
  on('quiz', show);
  on('film', show);
  return {pane: parts.pane, opener};
}

/** @param {() => void} onMark */
function createParts(onMark) {
  const finding = make('select', {id: 'cxr-guess', onchange: () => {
    if (state.film) guess(state.film, {finding: finding.value === '' ? null : Number(finding.value)});
    publish('quiz');
  }});
  const mark = button(tr('Mark where'), {class: 'quiet', id: 'cxr-guess-mark'}, onMark);
  const reveal = button(tr('Reveal'), {class: 'quiet', id: 'cxr-reveal'}, revealGuess);
  const said = make('div', {class: 'said', role: 'status'});
  const any = button(tr('A drawn film by chance'), {class: 'quiet', id: 'cxr-guess-any', hidden: !state.page.phantoms.length}, openAny);
  const form = make('div', {class: 'group'}, make('label', {for: 'cxr-guess'}, tr('What do you see?')), finding, mark, reveal);
  const pane = make('section', {class: 'quiz', 'aria-label': tr('Guess first'), hidden: true},
    make('h2', {}, tr('Guess first')),
    make('p', {class: 'soft'}, tr('Say what you see and mark where you would look. Then compare with the model, its maps, and what is known of the film.')),
    form, said, make('div', {class: 'group'}, any));
  return {pane, form, finding, mark, reveal, said};
}

/** A drawn film that was not guessed yet, whose name and note would give it away. */
function openAny() {
  /** @param {Phantom} item */
  const known = item => state.films.some(film => plantedIn(film) === item && film.guess?.revealed);
  const left = state.page.phantoms.filter(item => !known(item));
  const among = left.length ? left : state.page.phantoms;
  const item = among[Math.floor(Math.random() * among.length)];
  removeFilms(film => plantedIn(film) === item);
  addBuiltIn('phantom', item);
}

/** @param {Parts} parts */
function showQuiz({pane, form, finding, mark, reveal, said}) {
  const result = current();
  pane.hidden = !state.quiz.on;
  form.hidden = !result;
  said.replaceChildren();
  if (pane.hidden || !result) return;
  const own = result.film.guess ?? NO_GUESS;
  form.hidden = own.revealed;
  const options = optionsOf(result.seen.labels);
  if ([...finding.options].map(option => option.value).join() !== options.map(([value]) => value).join()) {
    finding.replaceChildren(...options.map(([value, words]) => make('option', {value}, words)));
  }
  finding.value = String(own.finding ?? '');
  reveal.disabled = own.finding === null;
  mark.setAttribute('aria-pressed', String(state.drawing));
  setText(mark, own.edges ? tr('Mark again') : tr('Mark where'));
  said.replaceChildren(...(own.revealed ? compared(result, own) : []).map(text => make('p', {}, text)));
}

/** @param {readonly string[]} labels @returns {[string, string][]} values with words */
function optionsOf(labels) {
  const findings = labels.map((label, i) => /** @type {[string, string]} */ ([String(i), readable(label)]));
  return [['', tr('choose\u2026')], [String(NONE), tr('none of these')], ...findings.sort((a, b) => a[1].localeCompare(b[1]))];
}

// ------------------------------------------------------------------ the answer

function revealGuess() {
  const result = current();
  const own = result?.film.guess;
  if (!result || !own || own.finding === null) return;
  const {film, seen} = result;
  guess(film, {revealed: true});
  count(result, own.finding, own.edges);
  if (own.finding !== NONE) {
    if (own.edges) addBox(film, {label: seen.labels[own.finding], edges: own.edges});
    pick(own.finding, true);
    if (own.edges) askTrust(true);
  }
  publish('quiz');
  publish('draw');
}

/** @param {Result} result @param {number} finding @param {Edges | null} edges */
function count(result, finding, edges) {
  const {said, named, judged, right, marked, met} = state.quiz;
  const place = result.seen.ranked.indexOf(finding);
  changeQuiz({said: said + 1, named: named + Number(place >= 0 && place < 3)});
  if (knownFindings(result.film)) changeQuiz({judged: judged + 1, right: right + Number(isRight(result, finding))});
  const known = knownEdges(result, finding);
  if (edges && known.length) changeQuiz({marked: marked + 1, met: met + Number(known.some(one => overlapOf(one, edges) > 0))});
}

/** In sentences: the guess, the model's answer, the truth where it is known, and the maps under the mark. @param {Result} result @param {Guess} own */
function compared(result, {finding, edges}) {
  const guessed = finding ?? NONE;
  const {judged, right, named, said, marked, met} = state.quiz;
  return [
    knownFindings(result.film) && (isRight(result, guessed) ? tr('Right.') : tr('That is not what is known of this film.')),
    guessed === NONE ? sawNone(result) : sawOne(result, guessed),
    truthWords(result),
    truthEdges(result.film).length ? tr('Yellow on the film: the known place.') : '',
    edges && overlapWords(knownEdges(result, guessed), edges),
    edges && guessed !== NONE ? evidenceWords(result, guessed, edges) : '',
    judged ? tr('So far: {right} of {n} guesses were right, where the truth is known.', {right, n: judged}) : '',
    tr('So far: {named} of {n} guesses were among the model\u2019s first three.', {named, n: said}),
    marked ? tr('{met} of {n} marks met the known place.', {met, n: marked}) : '',
  ].filter(text => text);
}

/** @param {Result} result */
function sawNone({seen}) {
  const above = seen.ranked.filter(i => isAbove(seen, i));
  if (!above.length) return tr('You saw none of these findings. The model has none above its operating point either.');
  return tr('You saw none of these findings. The model has {n} above the operating point, first {finding} with {p}.',
    {n: above.length, finding: readable(seen.labels[above[0]]), p: percent(seen.probabilities[above[0]])});
}

/** @param {Result} result @param {number} finding */
function sawOne({seen}, finding) {
  const given = {finding: readable(seen.labels[finding]), p: percent(seen.probabilities[finding]), place: seen.ranked.indexOf(finding) + 1, n: seen.ranked.length};
  return isAbove(seen, finding) ? tr('You saw {finding}. The model gives it {p}, above its operating point: number {place} of {n}.', given)
    : tr('You saw {finding}. The model gives it {p}: number {place} of {n}.', given);
}

/** @param {Result} result */
function truthWords({film}) {
  const planted = plantedIn(film);
  const known = knownFindings(film);
  if (!planted) return known && tr('What is true: the boxes given with it are of {findings}.', {findings: known.map(readable).join(', ')});
  return [tr('What is true: {truth}', {truth: planted.planted}), planted.finding ? tr('That is {finding}.', {finding: readable(planted.finding)}) : '',
    tr('The model learned from people\u2019s films and need not find what is drawn.')].filter(Boolean).join(' ');
}

/** @param {Edges[]} places @param {Edges} edges */
function overlapWords(places, edges) {
  if (!places.length) return '';
  return tr('Your mark and the known place overlap by {value} (IoU; 1 is the same box, 0 no contact).',
    {value: fixed(Math.max(...places.map(one => overlapOf(one, edges))), 2)});
}

/** @param {Result} result @param {number} finding @param {Edges} edges */
function evidenceWords({seen: {film: {crop}}}, finding, edges) {
  const found = shown().flatMap(method => {
    const maps = entryOf(method)?.maps;
    return maps ? [`${method.title} ${share(evidenceIn(maps, finding, edges, crop))}`] : [];
  });
  return found.length ? tr('Of each map\u2019s evidence for it, so much lies in your mark: {shares}. The mark is {area} of what the model sees.',
    {shares: found.join(', '), area: share(areaOf(edges, crop))}) : '';
}
