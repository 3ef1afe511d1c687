// Guess first: a student names a finding and marks its place before the model's answer appears beside the guess.

/** @import {Edges, Guess, Phantom, Result} from './types.d.ts' */
import {addBuiltIn, pick} from './actions.js';
import {button, make, setDisabled, setText} from './dom.js';
import {areaOf, overlapOf} from './geometry.js';
import {readable, tr} from './i18n.js';
import {evidenceIn} from './maps.js';
import {fixed, percent, share} from './numbers.js';
import {isAbove} from './predictions.js';
import {askTrust} from './requests.js';
import {NONE, addBox, changeQuiz, current, entryOf, guess, guessing, isExample, on, publish, removeFilms, shown, state} from './store.js';
import {isRight, knownEdges, knownFindings, plantedIn, truthEdges} from './truth.js';

/** @typedef {ReturnType<typeof createParts>} Parts */
/** @type {Guess} */
const NO_GUESS = {finding: null, edges: null, revealed: false};

/**
 * @param {HTMLElement} root that hides answers @param {HTMLElement} filmPane that hides names which reveal the finding
 * @param {() => void} mark function that begins a box @returns the pane, and the button that opens it
 */
export function createQuiz(root, filmPane, mark) {
  const parts = createParts(mark);
  const opener = button(tr('ui.quiz.title'), {class: 'quiet', id: 'cxr-quiz', 'aria-pressed': 'false',
    title: tr('ui.quiz.opener_hint')}, () => {
    changeQuiz({on: !state.quiz.on});
    opener.setAttribute('aria-pressed', String(state.quiz.on));
    if (state.quiz.on && isExample()) openAny();  // its answer has been seen
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
  const mark = button(tr('ui.quiz.mark'), {class: 'quiet', id: 'cxr-guess-mark'}, onMark);
  const reveal = button(tr('ui.quiz.reveal'), {class: 'quiet', id: 'cxr-reveal'}, revealGuess);
  const said = make('div', {class: 'said', role: 'status', tabindex: -1});
  const any = button(tr('ui.quiz.any'), {class: 'quiet', id: 'cxr-guess-any', hidden: !state.page.phantoms.length}, openAny);
  const form = make('div', {class: 'group'}, make('label', {for: 'cxr-guess'}, tr('ui.quiz.what_do_you_see')), finding, mark, reveal);
  const pane = make('section', {class: 'quiz', 'aria-label': tr('ui.quiz.title'), hidden: true},
    make('h2', {}, tr('ui.quiz.title')),
    make('p', {class: 'soft'}, tr('ui.quiz.hint')),
    form, said, make('div', {class: 'group'}, any));
  return {pane, form, finding, mark, reveal, said};
}

/** Opens a random phantom not guessed yet; the quiz hides its name and note, which reveal the finding. */
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
  const left = own.revealed && form.contains(document.activeElement);
  form.hidden = own.revealed;
  const options = optionsOf(result.seen.labels);
  if ([...finding.options].map(option => option.value).join() !== options.map(([value]) => value).join()) {
    finding.replaceChildren(...options.map(([value, words]) => make('option', {value}, words)));
  }
  finding.value = String(own.finding ?? '');
  setDisabled(reveal, own.finding === null);
  mark.setAttribute('aria-pressed', String(state.drawing));
  setText(mark, own.edges ? tr('ui.quiz.mark_again') : tr('ui.quiz.mark'));
  said.replaceChildren(...(own.revealed ? answerTo(result, own) : []));
  if (left) said.focus();  // the button that revealed it is hidden
}

/** @param {readonly string[]} labels @returns {[string, string][]} values with words */
function optionsOf(labels) {
  const findings = labels.map((label, i) => /** @type {[string, string]} */ ([String(i), readable(label)]));
  return [['', tr('ui.quiz.choose')], [String(NONE), tr('ui.quiz.none_of_these')], ...findings.sort((a, b) => a[1].localeCompare(b[1]))];
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
    pick(own.finding);
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

/** Whether the guess is right; the guess, the model's answer and the truth in a line; and the details. @param {Result} result @param {Guess} own */
function answerTo(result, {finding, edges}) {
  const {film, seen} = result;
  const guessed = finding ?? NONE;
  const known = knownFindings(film);
  /** @param {string[]} labels */
  const names = labels => labels.length ? labels.map(readable).join(', ') : tr('ui.quiz.none_of_these');
  const [first] = foundBy(result);
  return [
    make('h3', {}, !known ? tr('ui.quiz.unknown') : isRight(result, guessed) ? tr('ui.quiz.right') : tr('ui.quiz.wrong')),
    make('p', {}, tr('ui.quiz.line', {
      you: names(guessed === NONE ? [] : [seen.labels[guessed]]),
      model: first === undefined ? tr('ui.quiz.model_none') : `${readable(seen.labels[first])} ${percent(seen.probabilities[first])}`,
      truth: known ? names(known) : tr('ui.quiz.not_known')})),
    make('ul', {class: 'soft'}, ...detailsOf(result, guessed, edges).map(text => make('li', {}, text)))];
}

/** @param {Result} result @returns the findings above the cut-off, the most probable first */
const foundBy = ({seen}) => seen.ranked.filter(i => isAbove(seen, i));

/** Sentences on the model's answer to the guess, the truth, the maps within the mark, and the count. @param {Result} result @param {number} guessed @param {Edges | null} edges */
function detailsOf(result, guessed, edges) {
  const {judged, right, named, said, marked, met} = state.quiz;
  const planted = plantedIn(result.film);
  return [
    guessed === NONE ? sawNone(result) : sawOne(result, guessed),
    planted ? `${planted.planted} ${tr('ui.quiz.drawn')}` : '',
    truthEdges(result.film).length ? tr('ui.quiz.yellow') : '',
    edges && overlapWords(knownEdges(result, guessed), edges),
    edges && guessed !== NONE ? evidenceWords(result, guessed, edges) : '',
    judged ? tr('ui.quiz.so_far_right', {right, n: judged}) : '',
    tr('ui.quiz.so_far_named', {named, n: said}),
    marked ? tr('ui.quiz.marks_met', {met, n: marked}) : '',
  ].filter(text => text);
}

/** @param {Result} result */
function sawNone(result) {
  const n = foundBy(result).length;
  return n ? tr('ui.quiz.model_above', {n}) : '';
}

/** @param {Result} result @param {number} finding */
function sawOne({seen}, finding) {
  const given = {finding: readable(seen.labels[finding]), p: percent(seen.probabilities[finding]), place: seen.ranked.indexOf(finding) + 1, n: seen.ranked.length};
  return isAbove(seen, finding) ? tr('ui.quiz.saw_above', given)
    : tr('ui.quiz.saw', given);
}

/** @param {Edges[]} places @param {Edges} edges */
function overlapWords(places, edges) {
  if (!places.length) return '';
  return tr('ui.quiz.overlap',
    {value: fixed(Math.max(...places.map(one => overlapOf(one, edges))), 2)});
}

/** @param {Result} result @param {number} finding @param {Edges} edges */
function evidenceWords({seen: {film: {crop}}}, finding, edges) {
  const found = shown().flatMap(method => {
    const maps = entryOf(method)?.maps;
    return maps ? [`${method.title} ${share(evidenceIn(maps, finding, edges, crop))}`] : [];
  });
  return found.length ? tr('ui.quiz.evidence',
    {shares: found.join(', '), area: share(areaOf(edges, crop))}) : '';
}
