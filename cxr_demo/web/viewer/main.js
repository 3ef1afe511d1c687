// The viewer: film, findings and maps. Python sends numbers, this draws them; choosing another finding, opacity, scale or
// colours asks no server. Here the page is put together.

/** @import {Host, Names} from './types.d.ts' */
/** @import {Key} from './keys.js' */
import {addBuiltIn, choose, pick} from './actions.js';
import {listen} from './answers.js';
import {createBeside} from './beside.js';
import {createBoxes} from './boxes.js';
import {createCards} from './cards.js';
import {createControls} from './controls.js';
import {button, group, make} from './dom.js';
import {createExport, createPacking} from './export.js';
import {createFilmPane} from './film.js';
import {createFindings} from './findings.js';
import {clamp, frame} from './geometry.js';
import {followPointers} from './gestures.js';
import {createGrid} from './grid.js';
import {Translator, locale, speak, tr, translated, understood} from './i18n.js';
import {createKeys} from './keys.js';
import {createLooks} from './looks.js';
import {askAgain, createModels} from './models.js';
import {remember, remembered} from './preferences.js';
import {createQuiz} from './quiz.js';
import {readRecorded} from './recorded.js';
import {askNext, connect} from './requests.js';
import {createScramble} from './scramble.js';
import {keepFilms, keptFilms} from './session.js';
import {addFilm, current, drawSoon, entryOf, filmWaits, keepFinding, lookAtFilm, note, on, openStore, publish, setModel, shown, state, takesFilms} from './store.js';
import {createTable} from './table.js';
import {createTour} from './tour.js';
import {createTrust} from './trust.js';
import {createWipe} from './wipe.js';
import {autoWindow, lookAt, setWindow, zoomBy} from './viewport.js';

/** Begins the viewer in a page that Gradio serves. @param {Host} host @param {Names} names */
export function start(host, names) {
  const {languages} = host.props.about;
  const wished = remembered('language') ?? '';
  const code = languages[wished] ? wished : understood(languages, navigator.languages);
  speak(new Translator(code, languages[code].texts));
  openStore(translated(host.props.about));
  connect(host, names.events);
  const root = make('div', {class: 'cxr'});
  on('films', keepFilms);
  on('view', () => root.classList.toggle('closer', state.view.zoom > 1));
  on('point', () => placeCrosses(root));
  const form = build(root);
  on('draw', () => { if (state.pointer) publish('point'); });
  hideOtherLanguages();
  host.element.replaceChildren(root);
  listen(names.channel, form);
  publish('spec');
  publish('cards-shown');
  restoreFilms(form);
  new ResizeObserver(() => publish('draw')).observe(/** @type {HTMLElement} */ (root.querySelector('.cards')));
  setInterval(() => {
    for (const method of shown()) if (entryOf(method)?.state === 'running') publish('card', method);
    askNext();
  }, 200);
}

/** Begins the viewer in a file of its own, which holds one film and asks no server. @param {Names} names */
export function startRecorded(names) {
  const {host, label, film} = readRecorded(names.channel);
  start(host, names);
  const summary = document.querySelector('.record summary');
  if (summary) summary.textContent = tr('ui.page.how_to_repeat');
  keepFinding(label);
  addBuiltIn('recorded', film);
}

/** @param {HTMLElement} root @returns the form for models of the Hub */
function build(root) {
  const spoken = make('span', {class: 'sr', role: 'status'});  // what arrow keys read aloud
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
  root.append(createHead(models, takesFilms() ? [tour.opener, quiz.opener] : []),
    make('div', {class: 'upper'}, film.pane, quiz.pane, findings.pane, findings.facts),
    table, bench, grid, trust, tour.pane);
  return models.form;
}

/** @param {ReturnType<typeof createModels>} models @param {HTMLElement[]} teaching buttons */
function createHead(models, teaching) {
  const {title, tagline, notice} = state.page;
  return make('header', {class: 'top'},
    make('div', {class: 'name'}, make('h1', {}, title), make('p', {}, tagline), make('strong', {class: 'notice', role: 'note'}, notice)),
    make('div', {class: 'model'}, make('label', {for: 'cxr-model'}, tr('ui.page.model')), models.list),
    models.node, ...teaching, createLanguages(), createDark());
}

function createDark() {
  if (remembered('dark')) document.body.classList.toggle('dark', remembered('dark') === 'true');
  return button('\u25d0', {class: 'quiet', id: 'cxr-dark', 'aria-label': tr('ui.page.dark'), title: tr('ui.page.dark_hint')},
    () => remember('dark', document.body.classList.toggle('dark')));
}

function createLanguages() {
  const languages = Object.entries(state.page.languages);
  if (languages.length < 2) return null;
  const list = make('select', {id: 'cxr-language', 'aria-label': tr('ui.page.language'), onchange: () => {
    remember('language', list.value);
    location.reload();
  }}, ...languages.map(([code, {name}]) => make('option', {value: code, lang: code, selected: code === locale()}, name)));
  return list;
}

/** Chapters under the viewer are there in all languages. */
function hideOtherLanguages() {
  const others = Object.keys(state.page.languages).filter(code => code !== locale());
  document.documentElement.lang = locale();
  document.head.append(make('style', {}, `:is(${others.map(code => `.in-${code}`)}) { display: none !important; }`));
}

/** @param {() => HTMLElement} bench what fills the screen */
function createFullScreen(bench) {
  const words = () => document.fullscreenElement ? tr('ui.page.leave_full_screen') : tr('ui.page.full_screen');
  const opener = button(tr('ui.page.full_screen'), {class: 'quiet', id: 'cxr-full-screen', title: tr('ui.page.full_screen_hint')}, () => {
    if (document.fullscreenElement) document.exitFullscreen();
    else bench().requestFullscreen().catch(() => note('look', tr('ui.page.no_full_screen')));
  });
  document.addEventListener('fullscreenchange', () => {
    opener.textContent = words();
    drawSoon();
  });
  return opener;
}

/**
 * @param {HTMLInputElement} opacity @param {ReturnType<typeof createLooks>} looks @param {HTMLElement} wipe
 * @param {HTMLElement} fullScreen @param {() => void} drawBox @returns {Key[]}
 */
function keysOf(opacity, looks, wipe, fullScreen, drawBox) {
  /** @type {(field: HTMLInputElement | HTMLSelectElement, value: string, event: string) => void} */
  const change = (field, value, event) => {
    field.value = value;
    field.dispatchEvent(new Event(event));
  };
  /** @param {number} by */
  const slide = by => change(opacity, String(clamp(Number(opacity.value) + by, 0, 1)), 'input');
  return [
    ['+', tr('ui.keys.zoom_in'), () => zoomBy(1.5)], ['-', tr('ui.keys.zoom_out'), () => zoomBy(1 / 1.5)], ['0', tr('ui.keys.whole_film'), () => lookAt(0, 0, 1)],
    ['w', tr('ui.keys.auto_window'), autoWindow], ['W', tr('ui.keys.full_window'), () => setWindow(0.5, 1)],
    ['i', tr('ui.keys.invert'), () => looks.invert.click()],
    ['[', tr('ui.keys.less_colour'), () => slide(-0.1)], [']', tr('ui.keys.more_colour'), () => slide(0.1)],
    ['s', tr('ui.keys.smooth'), () => change(looks.surface, state.smooth ? 'cells' : 'smooth', 'change')],
    ['c', tr('ui.keys.contour'), () => change(looks.levels, looks.levels.value ? '' : '50', 'input')],
    ['m', tr('ui.keys.wipe'), () => wipe.click()], ['f', tr('ui.keys.full_screen'), () => fullScreen.click()],
    ['j', tr('ui.keys.next_finding'), () => stepFinding(1)], ['k', tr('ui.keys.finding_before'), () => stepFinding(-1)],
    ['n', tr('ui.keys.next_film'), () => stepFilm(1)], ['p', tr('ui.keys.film_before'), () => stepFilm(-1)],
    ['b', tr('ui.keys.draw_box'), drawBox],
  ];
}

/** @param {number} by */
function stepFilm(by) {
  const to = state.films[state.films.findIndex(film => film === state.film) + by];
  if (to) choose(to);
}

/** @param {number} by */
function stepFinding(by) {
  const ranked = current()?.seen.ranked;
  if (ranked) pick(ranked[clamp(ranked.indexOf(state.chosen) + by, 0, ranked.length - 1)], true);
}

/** The pointer's place on all pictures. @param {HTMLElement} root */
function placeCrosses(root) {
  for (const cross of /** @type {NodeListOf<HTMLElement>} */ (root.querySelectorAll('.cross'))) {
    const canvas = cross.parentElement?.querySelector('canvas');
    if (!canvas) continue;
    const {left, top, width, height} = frame({width: canvas.offsetWidth, height: canvas.offsetHeight}, state.view);
    const [x, y] = state.pointer ? [left + state.pointer.x * width, top + state.pointer.y * height] : [-1, -1];
    cross.hidden = x < 0 || y < 0 || x > canvas.offsetWidth || y > canvas.offsetHeight;
    cross.style.left = `${canvas.offsetLeft + x}px`;
    cross.style.top = `${canvas.offsetTop + y}px`;
  }
}

/** The films that were open before a reload. @param {import('./models.js').Form} form */
function restoreFilms(form) {
  const kept = keptFilms();
  if (!kept) return;
  const known = state.page.models.some(model => model.name === kept.model);
  if (known) setModel(kept.model);
  publish('model');
  if (kept.label) keepFinding(kept.label);
  for (const {name, source, boxes} of kept.films) addFilm(name, source, {boxes: boxes ?? [], met: Boolean(kept.label), busy: false});
  if (state.films.some(film => film.source?.kind === 'file')) publish('examples');
  const film = state.films[kept.at] ?? state.films[0];
  if (known || !state.page.guests) return choose(film);
  // one of the Hub, which this page has yet to hear of
  filmWaits(film);
  lookAtFilm(film);
  askAgain(form, kept.model);
}
