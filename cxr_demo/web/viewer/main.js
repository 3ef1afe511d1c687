// Puts the viewer together: film, findings and maps. Python sends numbers and the viewer draws them; changing the finding,
// opacity, scale or colours needs no request.

/** @import {About, Host, Names} from './types.d.ts' */
import {addBuiltIn, builtInName, choose} from './actions.js';
import {listen} from './answers.js';
import {createBeside} from './beside.js';
import {createBoxes} from './boxes.js';
import {createCards} from './cards.js';
import {createControls} from './controls.js';
import {createOther} from './difference.js';
import {make} from './dom.js';
import {createDrawer} from './drawer.js';
import {createExample, openExample} from './example.js';
import {createAdding, createExamples} from './examples.js';
import {createExport, createPacking} from './export.js';
import {createFilmPane} from './film.js';
import {createFindings} from './findings.js';
import {followPointers, placeCrosses} from './gestures.js';
import {createGrid} from './grid.js';
import {createHead} from './header.js';
import {Translator, locale, speak, tr, translated, understood} from './i18n.js';
import {createFullScreen, createKeys, keysOf} from './keys.js';
import {createCopyLink, openLink, readLink} from './links.js';
import {createLooks} from './looks.js';
import {askAgain, createModels} from './models.js';
import {remember, remembered} from './preferences.js';
import {createQuiz} from './quiz.js';
import {readRecorded} from './recorded.js';
import {askNext, connect, wakeStream} from './requests.js';
import {createScramble} from './scramble.js';
import {keepDisplay, keepFilms, keptDisplay, keptFilms} from './session.js';
import {createStages} from './stages.js';
import {addFilm, current, entryOf, filmWaits, guessing, lookAtFilm, on, openStore, pinFinding, publish, setLook, setModel, showMethods, shown, state, takesFilms} from './store.js';
import {createTable} from './table.js';
import {createTour} from './tour.js';
import {createTrust} from './trust.js';
import {boxesOf} from './truth.js';
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
  connect(host, names);
  const root = make('div', {class: 'cxr'});
  on('films', keepFilms);
  on('look', keepDisplay);
  on('cards-shown', keepDisplay);
  on('view', () => root.classList.toggle('closer', state.view.zoom > 1));
  on('point', () => placeCrosses(root));
  const form = build(root);
  on('draw', () => { if (state.pointer) publish('point'); });
  document.documentElement.lang = locale();
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
    wakeStream();
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
  createExample(film);
  followPointers(film.canvas, readAloud, () => state.drawing);
  const cards = createCards(readAloud);
  const wipe = createWipe(readAloud);
  const beside = createBeside(readAloud);
  const looks = createLooks();
  const fullScreen = createFullScreen(() => bench);
  const exporting = createExport();
  const controls = createControls({view: [...looks.rows, beside.box], comparing: [createOther(), wipe.opener, fullScreen], saving: [exporting.save], check: () => drawer.toggle()});
  const boxes = createBoxes(film);
  const drawer = createDrawer(drawersOf(boxes.panel));
  const quiz = createQuiz(root, film.pane, boxes.toggle);
  const findings = createFindings();
  const models = createModels();
  const tour = createTour(root);
  const keys = createKeys(keysOf(controls.opacity, looks, wipe.opener, fullScreen, boxes.toggle));
  const deck = make('section', {class: 'cards', 'aria-label': tr('ui.page.maps')}, ...cards.nodes.values(), wipe.card, beside.card);
  const bench = make('main', {class: 'bench'}, quiz.pane, controls.bar, make('div', {class: 'statuses'}, looks.status, exporting.status),
    deck, createExamples(), drawer.node, spoken, keys.dialog);
  on('cards-shown', () => {
    const columns = shown().length + Number(!wipe.card.hidden) + Number(!beside.card.hidden);
    deck.style.setProperty('--columns', String(Math.max(1, columns)));
    publish('draw');
  });
  root.append(
    createHead(models, {adding: createAdding(film.openPicker, film.openFolder), teaching: takesFilms() ? [quiz.opener] : [],
      menu: [...(takesFilms() ? [tour.opener, createCopyLink()] : []), keys.opener], openTable: () => drawer.open('films')}),
    createStages(root, film.pane, cards.nodes),
    make('div', {class: 'desk'}, make('aside', {class: 'rail', 'aria-label': tr('ui.page.film_and_findings')}, film.pane, findings.leading, findings.pane, film.strip), bench),
    tour.pane);
  return models.form;
}

/** @param {HTMLElement} boxes the panel of the visitor's boxes @returns {import('./drawer.js').Drawer[]} */
function drawersOf(boxes) {
  const {reliable, agree} = createTrust();
  const shows = () => Boolean(current()) && !guessing();
  return [
    {key: 'reliable', title: tr('ui.drawer.reliable'), panel: reliable, offered: shows},
    {key: 'agree', title: tr('ui.drawer.agree'), panel: agree, offered: shows},
    {key: 'box', title: tr('ui.drawer.box'), panel: boxes, offered: () => shows() && (takesFilms() || boxesOf(state.label).length > 0)},
    {key: 'randomise', title: tr('ui.drawer.randomise'), panel: createScramble(), offered: () => shows() && takesFilms()},
    {key: 'grid', title: tr('ui.drawer.grid'), panel: createGrid(), offered: shows},
    {key: 'films', title: tr('ui.drawer.films'), panel: createTable(createPacking()), offered: () => state.films.length > 1 && !guessing()},
  ];
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
  if (!kept) { if (!linked) openExample(); return; }
  for (const {findings, name, source, boxes} of kept.films) addFilm(builtInName(source) ?? name, source, {boxes, findings: new Map(findings), busy: false});
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
