// The pane of the film: upload by drop, paste or file chooser, name and warnings; and the strip of films.

/** @import {Edges, Film, Prediction} from './types.d.ts' */
import {addDropped, choose, correct, explainAnyway, removeFilm} from './actions.js';
import {fit, picture} from './canvas.js';
import {button, make, refill, setText, makeStage} from './dom.js';
import {filesDropped, filmsAmong} from './folders.js';
import {say, tr} from './i18n.js';
import {distinct, sentenceCase} from './numbers.js';
import {pixelState} from './pixels.js';
import {current, isExample, on, publish, state, takesFilms, waitsForRequest} from './store.js';
import {plantedEdges, plantedIn, truthEdges} from './truth.js';

/** @typedef {ReturnType<typeof createParts>} Parts */

/** @returns the pane, the strip, and their parts for other modules */
export function createFilmPane() {
  const parts = createParts();
  if (takesFilms()) acceptFiles(parts.stage);
  on('film', () => {
    showFilm(parts);
    publish('films');
    publish('draw');
  });
  on('mark', () => markPlanted(parts));
  on('films', () => showStrip(parts.strip));
  on('draw', () => drawFilm(parts));
  on('note', name => { if (name === 'box') setText(parts.boxNote, state.notes.box); });
  return parts;
}

function createParts() {
  // without a list of endings: files of a DICOM CD have none
  const picker = createPicker(tr('ui.films.choose'), {}, files => addDropped({files, others: 0}));
  const folderPicker = createPicker(tr('ui.films.choose_folder'), {webkitdirectory: true}, async files => addDropped(await filmsAmong(files, state.page)));
  const openPicker = () => picker.click();
  const openFolder = () => folderPicker.click();
  const invite = make('button', {type: 'button', class: 'invite', onclick: openPicker, hidden: !takesFilms()},
    make('strong', {}, tr('ui.films.drop')),
    make('span', {}, tr('ui.films.or_paste')));
  const veilWords = make('span', {class: 'words'});
  const veil = make('div', {class: 'veil', hidden: true}, make('span', {class: 'spinner'}), veilWords);
  const {canvas, node} = makeStage(tr('ui.films.none_yet'), invite, veil);
  node.classList.add('blank');
  const name = make('div', {class: 'filmname'});
  const remove = button('\u2715', {class: 'quiet', id: 'cxr-remove', hidden: true, 'aria-label': tr('ui.films.remove_hint'), title: tr('ui.films.remove_hint')}, removeFilm);
  const bar = make('div', {class: 'filmbar'}, name, remove, picker, folderPicker);
  const boxNote = make('p', {class: 'soft', role: 'status'});  // beside the film, to be seen while drawing
  const notes = make('div', {class: 'notes', role: 'alert'});
  const strip = make('div', {class: 'strip', role: 'group', 'aria-label': tr('ui.films.list'), hidden: true});
  const pane = make('section', {class: 'film', 'aria-label': tr('ui.common.film')}, node, bar, boxNote, notes);
  return {pane, canvas, stage: node, invite, veil, veilWords, name, remove, boxNote, notes, strip, openPicker, openFolder};
}

/** @param {string} words @param {Record<string, any>} more attributes @param {(files: File[]) => void} add @returns the hidden field of a file chooser */
function createPicker(words, more, add) {
  const field = make('input', {type: 'file', multiple: true, class: more.webkitdirectory ? 'picker folder' : 'picker', tabindex: -1, 'aria-label': words, ...more,
    onchange: () => { add([...(field.files ?? [])]); field.value = ''; }});
  return field;
}

/** Accepts files dropped or pasted anywhere on the page. @param {HTMLElement} place highlighted during a drag */
function acceptFiles(place) {
  /** @param {DragEvent} event */
  const carries = event => [...(event.dataTransfer?.types ?? [])].includes('Files');
  /** @param {boolean} is */
  const dropping = is => place.classList.toggle('dropping', is);
  /** @param {DataTransfer | null} carried */
  const receive = async carried => { if (carried) addDropped(await filesDropped(carried, state.page)); };
  document.addEventListener('dragover', event => { if (carries(event)) { event.preventDefault(); dropping(true); } });
  document.addEventListener('dragleave', event => { if (!event.relatedTarget) dropping(false); });
  document.addEventListener('drop', event => {
    if (!carries(event)) return;
    event.preventDefault();
    dropping(false);
    receive(event.dataTransfer);
  });
  document.addEventListener('paste', event => {
    if (!event.clipboardData?.files.length) return;
    event.preventDefault();
    receive(event.clipboardData);
  });
}

/** @param {Parts} parts */
function showFilm(parts) {
  const {canvas, veil, veilWords, invite, remove, name, notes} = parts;
  const {film} = state;
  const result = current();
  veil.hidden = !film?.busy;
  setText(veilWords, !film?.busy ? '' : film.source ? tr('ui.films.reading') : tr('ui.films.sending'));
  invite.hidden = Boolean(film?.busy || result) && !isExample();
  const left = remove === document.activeElement;
  remove.hidden = !film || !takesFilms() || isExample();
  if (left && remove.hidden) invite.focus();
  const size = result?.seen.film;
  name.replaceChildren(...(!film ? [] : [make('b', {title: film.name}, film.name),
    make('span', {}, size ? tr('ui.films.size', {size: `${size.width} \u00d7 ${size.height}`}) : '')]));
  const said = film?.error ? [film.error] : (result?.seen.warnings ?? []).map(say);
  refill(notes, [...state.failures.map(text => make('p', {class: 'failure'}, text)), state.others ? make('p', {class: 'others'}, tr('ui.films.passed_over', {n: state.others})) : null,
    // above the sentences, which may have to be scrolled
    ...corrections(film, result?.seen), ...unexplained(film), ...said.map(text => make('p', {}, text)),
    film && plantedIn(film)?.edges ? make('p', {class: 'planted'}, tr('ui.films.planted_place')) : null], canvas);
  markPlanted(parts);
  notes.classList.toggle('bad', Boolean(film?.error));
}

/** Explains the dashed outline while it is drawn. @param {Parts} parts */
function markPlanted({notes}) {
  const {film} = state;
  const drawn = film && plantedIn(film) && current() && (state.quiz.on ? truthEdges(film) : plantedEdges(film, state.label)).length;
  notes.querySelector('.planted')?.toggleAttribute('hidden', !drawn);
}

/** Offers corrections of the film, or the film as uploaded; the visitor decides. @param {Film | null} film @param {Prediction} [seen] */
function corrections(film, seen) {
  if (!film || film.error) return [];
  /** @type {[string, string | null, Edges | null][]} */
  const offered = [];
  if (seen?.correction) offered.push([sentenceCase(say(seen.correction.title)), seen.correction.key, seen.correction.part]);
  if (film.source?.correction) offered.push([tr('ui.films.as_it_was_sent'), null, null]);
  return offered.map(([words, correction, part]) =>
    button(words, {class: 'chip', 'data-correction': correction ?? 'none'}, () => correct(film, correction, part)));
}

/** Offers the maps of a film that are not made unless the visitor requests them. @param {Film | null} film */
const unexplained = film => film && waitsForRequest()
  ? [button(tr('ui.films.explain_anyway'), {class: 'chip', id: 'cxr-explain-anyway'}, () => explainAnyway(film))] : [];

/** @param {HTMLElement} strip */
function showStrip(strip) {
  strip.hidden = state.films.length < 2;
  const names = distinct(state.films.map(film => film.name));
  refill(strip, state.films.map((film, k) => make('button', {
    type: 'button', class: `thumb${film.error ? ' bad' : ''}`, title: film.name, 'aria-label': film.name,
    'aria-pressed': String(film === state.film), onclick: () => choose(film)},
  film.thumb ?? make('span', {class: 'empty'}, film.error ? '!' : '\u2026'), make('span', {class: 'name'}, names[k]))));
  strip.querySelector('[aria-pressed="true"]')?.scrollIntoView({block: 'nearest', inline: 'nearest'});
}

/** @param {Parts} parts */
function drawFilm({canvas, stage}) {
  const result = current();
  stage.classList.toggle('blank', !result);
  if (!result) return;
  fit(canvas, result.image);
  picture(canvas, result);
  canvas.setAttribute('aria-label', tr('ui.films.named', {name: result.seen.film.name}));
  stage.dataset.pixels = pixelState(result);
}
