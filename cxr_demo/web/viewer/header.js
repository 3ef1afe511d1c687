// The page's header: title, list of models, teaching buttons, language, light and dark theme.

/** @import {createModels} from './models.js' */
import {button, make} from './dom.js';
import {locale, tr} from './i18n.js';
import {remember, remembered} from './preferences.js';
import {state} from './store.js';

/** @param {ReturnType<typeof createModels>} models @param {HTMLElement[]} teaching buttons */
export function createHead(models, teaching) {
  const {title, tagline, notice} = state.page;
  return make('header', {class: 'top'},
    make('div', {class: 'name'}, make('h1', {}, title), make('p', {}, tagline), make('strong', {class: 'notice', role: 'note'}, notice)),
    make('div', {class: 'model'}, make('label', {for: 'cxr-model'}, tr('ui.page.model')), models.list),
    models.problem, models.node, ...teaching, createLanguages(), createDark());
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

/** Shows the chapters in the current language; the page contains those of all languages. */
export function hideOtherLanguages() {
  const others = Object.keys(state.page.languages).filter(code => code !== locale());
  document.documentElement.lang = locale();
  document.head.append(make('style', {}, `:is(${others.map(code => `.in-${code}`)}) { display: none !important; }`));
}
