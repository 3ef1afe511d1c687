// The page's header: title, films, models, and the menu of everything that waits.

/** @import {createModels} from './models.js' */
import {choose} from './actions.js';
import {button, make, setDisabled, setText} from './dom.js';
import {locale, tr} from './i18n.js';
import {createPopover} from './popovers.js';
import {remember, remembered} from './preferences.js';
import {narrow} from './stages.js';
import {on, state} from './store.js';

/**
 * @param {ReturnType<typeof createModels>} models @param {{adding: HTMLElement[], teaching: HTMLElement[], menu: HTMLElement[], openTable: () => void}} parts
 * buttons that add films, that teach, and for the menu
 */
export function createHead(models, {adding, teaching, menu, openTable}) {
  const {title, notice} = state.page;
  const model = make('div', {class: 'model'}, make('label', {for: 'cxr-model', class: 'sr'}, tr('ui.page.model')), models.list, models.facts.opener, models.facts.pane);
  const space = make('strong', {class: 'notice', role: 'note'}, notice);
  const [opener, pane] = createMenu(menu);
  // a narrow header has no room for the models and the quiz, which move into the menu
  const place = () => narrow.matches ? pane.prepend(model, ...teaching) : (space.before(model), space.after(...teaching));
  const node = make('header', {class: 'top'}, make('h1', {}, title), createSteps(openTable), ...adding, space, opener, pane, models.problem, models.node);
  place();
  narrow.addEventListener('change', place);
  return node;
}

/** The way from film to film. @param {() => void} openTable */
function createSteps(openTable) {
  const place = button('', {class: 'quiet', id: 'cxr-films', title: tr('ui.page.all_films')}, openTable);
  /** @type {(sign: string, words: string, by: number) => HTMLButtonElement} */
  const step = (sign, words, by) => button(sign, {class: 'quiet', 'aria-label': words, title: words}, () => {
    const to = state.films[at() + by];
    if (to) choose(to);
  });
  const [before, next] = [step('\u2039', tr('ui.keys.film_before'), -1), step('\u203a', tr('ui.keys.next_film'), 1)];
  const node = make('div', {class: 'steps', role: 'group', 'aria-label': tr('ui.films.list'), hidden: true}, before, place, next);
  const at = () => state.films.findIndex(film => film === state.film);
  on('films', () => {
    node.hidden = state.films.length < 2;
    setText(place, tr('ui.page.film_of', {at: at() + 1, n: state.films.length}));
    setDisabled(before, at() <= 0);
    setDisabled(next, at() === state.films.length - 1);
  });
  return node;
}

/** @param {HTMLElement[]} more @returns the menu's button and its popover */
function createMenu(more) {
  const chapters = make('div', {class: 'entries'});
  const {opener, pane} = createPopover('cxr-menu', '\u22ef', tr('ui.page.menu'),
    make('div', {class: 'entries'}, ...more, createDark()), chapters, createLanguages());
  pane.addEventListener('beforetoggle', event => {
    if (/** @type {ToggleEvent} */ (event).newState === 'open') chapters.replaceChildren(...chapterEntries());
  });
  // before the entry's own action, so that the focus returns to the menu's button when a dialog of it ends
  pane.addEventListener('click', event => { if (/** @type {Element} */ (event.target).closest('#cxr-quiz, .entries button:not(#cxr-copy-link)')) pane.hidePopover(); }, {capture: true});
  return [opener, pane];
}

function createDark() {
  if (remembered('dark')) document.body.classList.toggle('dark', remembered('dark') === 'true');
  return button(tr('ui.page.dark'), {class: 'quiet', id: 'cxr-dark'}, () => remember('dark', document.body.classList.toggle('dark')));
}

function createLanguages() {
  const languages = Object.entries(state.page.languages);
  if (languages.length < 2) return null;
  const list = make('select', {id: 'cxr-language', onchange: () => {
    remember('language', list.value);
    location.reload();
  }}, ...languages.map(([code, {name}]) => make('option', {value: code, lang: code, selected: code === locale()}, name)));
  return make('div', {class: 'group'}, make('label', {for: list.id}, tr('ui.page.language')), list);
}

// ------------------------------------------------------------------ chapters, which Gradio draws

/** The chapters in the current language; the page contains those of all languages, and a report none. */
const chaptersNow = () => /** @type {HTMLElement | null} */ (document.querySelector(`.chapters.in-${locale()}`));

/** Entries that open a chapter, and the description of the interface for programs. */
function chapterEntries() {
  const sheet = chaptersNow();
  if (!sheet) return [];
  sheet.setAttribute('popover', 'auto');
  const heads = /** @type {HTMLElement[]} */ ([...sheet.querySelectorAll('button.label-wrap')]);
  return [...heads.map(head => button(head.textContent?.replace('\u25bc', '').trim() ?? '', {class: 'quiet'}, () => {
    for (const one of heads) if (one.classList.contains('open') !== (one === head)) one.click();
    sheet.showPopover();
    head.focus();
  })), make('a', {href: '?view=api', target: '_blank'}, tr('ui.page.programs'))];
}
