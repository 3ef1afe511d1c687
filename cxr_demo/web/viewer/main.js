// Puts the viewer together: film, findings and maps. Python sends numbers and the viewer draws them; changing the finding,
// opacity, scale or colours needs no request.

/** @import {About, Host, Names} from './types.d.ts' */
import {addBuiltIn, choose} from './actions.js';
import {listen} from './answers.js';
import {createBeside} from './beside.js';
import {createBoxes} from './boxes.js';
import {createCards} from './cards.js';
import {createControls} from './controls.js';
import {group, make} from './dom.js';
import {createExport, createPacking} from './export.js';
import {createFilmPane} from './film.js';
import {createFindings} from './findings.js';
import {followPointers, placeCrosses} from './gestures.js';
import {createGrid} from './grid.js';
import {createHead, hideOtherLanguages} from './header.js';
import {Translator, speak, tr, translated, understood} from './i18n.js';
import {createFullScreen, createKeys, keysOf} from './keys.js';
import {createCopyLink, openLink, readLink} from './links.js';
import {createLooks} from './looks.js';
import {askAgain, createModels} from './models.js';
import {remember, remembered} from './preferences.js';
import {createQuiz} from './quiz.js';
import {readRecorded} from './recorded.js';
import {askNext, connect} from './requests.js';
import {createScramble} from './scramble.js';
import {keepDisplay, keepFilms, keptDisplay, keptFilms} from './session.js';
import {addFilm, entryOf, filmWaits, lookAtFilm, on, openStore, pinFinding, publish, setLook, setModel, showMethods, shown, state, takesFilms} from './store.js';
import {createTable} from './table.js';
import {createTour} from './tour.js';
import {createTrust} from './trust.js';
import {createWipe} from './wipe.js';

/** Starts the viewer in a page that Gradio serves. @param {Host} host @param {Names} names */
export function start(host, names) {
  const {languages} = host.props.about;
  const search = wasReloaded() ? '' : location.search;  // a reload keeps what the visitor has changed since the link
  const {language} = readLink(search, /** @type {About} */ (host.props.about));
  if (language) remember('language', language);
  const wished = language ?? remembered('language') ?? '';
  const code = languages[wished] ? wished : understood(languages, navigator.languages);
  speak(new Translator(code, languages[code].texts));
  openStore(translated(host.props.about));
  const display = keptDisplay();
  if (display) {
    showMethods(display.methods);
    setLook(display.look);
  }
  const link = readLink(search, state.page);
  if (link.methods) showMethods(link.methods);
  connect(host, names.events);
  const root = make('div', {class: 'cxr'});
  on('films', keepFilms);
  on('look', keepDisplay);
  on('cards-shown', keepDisplay);
  on('view', () => root.classList.toggle('closer', state.view.zoom > 1));
  on('point', () => placeCrosses(root));
  const form = build(root);
  on('draw', () => { if (state.pointer) publish('point'); });
  hideOtherLanguages();
  host.element.replaceChildren(root);
  listen(names.channel, form);
  publish('spec');
  publish('cards-shown');
  restoreFilms(form, link.film !== null);
  openLink(link);
  new ResizeObserver(() => publish('draw')).observe(/** @type {HTMLElement} */ (root.querySelector('.cards')));
  setInterval(() => {
    for (const method of shown()) if (entryOf(method)?.state === 'running') publish('card', method);
    askNext();
  }, 200);
}

/** Starts the viewer in an HTML report, which holds one film and uses no server. @param {Names} names */
export function startRecorded(names) {
  const {host, label, film} = readRecorded(names.channel);
  start(host, names);
  const summary = document.querySelector('.record summary');
  if (summary) summary.textContent = tr('ui.page.how_to_repeat');
  addBuiltIn('recorded', film, label);
}

/** @param {HTMLElement} root @returns the form for models of the Hub */
function build(root) {
  const spoken = make('span', {class: 'sr', role: 'status'});  // readings for screen readers after arrow keys
  const readAloud = () => { spoken.textContent = cards.readings(); };
  const film = createFilmPane();
  followPointers(film.canvas, readAloud, () => state.drawing);
  const findings = createFindings();
  const cards = createCards(readAloud);
  const wipe = createWipe(readAloud);
  const beside = createBeside(readAloud);
  const packing = createPacking();
  const table = createTable(packing);
  const controls = createControls(findings.chooser, createExport());
  const boxes = createBoxes(film);
  const trust = createTrust([boxes.block, createScramble()]);
  const grid = createGrid();
  const quiz = createQuiz(root, film.pane, boxes.toggle);
  const models = createModels();
  const tour = createTour(root);
  const fullScreen = createFullScreen(() => bench);
  const looks = createLooks();
  const keys = createKeys(keysOf(controls.opacity, looks, wipe.opener, fullScreen, boxes.toggle));
  looks.bar.append(group(tr('ui.common.compare'), wipe.opener, fullScreen, keys.opener), spoken, keys.dialog);
  const deck = make('section', {class: 'cards', 'aria-label': tr('ui.page.maps')}, ...cards.nodes, wipe.card, beside.card);
  const bench = make('section', {class: 'bench'}, controls.bar, looks.bar, looks.status, deck);
  film.bar.after(beside.box);
  on('cards-shown', () => {
    const columns = shown().length + Number(!wipe.card.hidden) + Number(!beside.card.hidden);
    deck.style.setProperty('--columns', String(Math.max(1, columns)));
    publish('draw');
  });
  root.append(createHead(models, takesFilms() ? [tour.opener, quiz.opener, createCopyLink()] : []),
    make('div', {class: 'upper'}, film.pane, quiz.pane, findings.pane, findings.facts),
    table, bench, grid, trust, tour.pane);
  return models.form;
}

function wasReloaded() {
  const [entry] = performance.getEntriesByType('navigation');
  return /** @type {PerformanceNavigationTiming | undefined} */ (entry)?.type === 'reload';
}

/**
 * Reopens the tab's films, and shows the one that was in view unless a link opens another.
 * @param {import('./models.js').Form} form @param {boolean} linked
 */
function restoreFilms(form, linked) {
  const kept = keptFilms();
  if (!kept) return;
  for (const {findings, name, source, boxes} of kept.films) addFilm(name, source, {boxes, findings: new Map(findings), busy: false});
  if (state.films.some(film => film.source?.kind === 'file')) publish('examples');
  if (linked) return;
  const known = state.page.models.some(model => model.name === kept.model);
  if (known) setModel(kept.model);
  publish('model');
  pinFinding(kept.pinned);
  const film = state.films[kept.at] ?? state.films[0];
  if (known || !state.page.guests) return choose(film);
  // a model of the Hub, which is not in the list yet
  filmWaits(film);
  lookAtFilm(film);
  askAgain(form, kept.model);
}
