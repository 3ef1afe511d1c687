// Links to a state of the page. The address names a built-in film, the finding, the visible methods and the language:
// ?example=effusion&finding=Effusion&methods=gradcam,lime&lang=nb, or ?lesson=KEY for a failure case.

/** @import {About, BuiltIn, Source, State} from './types.d.ts' */
import {addBuiltIn, addLesson} from './actions.js';
import {button, make, setText} from './dom.js';
import {locale, tr} from './i18n.js';
import {NONE, note, on, state} from './store.js';

/** @typedef {{kind: Source['kind'], item: BuiltIn, labels: readonly string[]}} Linked a film, and the findings of the model that opens it */
/** @typedef {{film: Linked | null, finding: string | null, methods: string[] | null, language: string | null, unknown: string[]}} Link */

/** The parameter that names a film, by the kind of its source. @type {Readonly<Partial<Record<Source['kind'], string>>>} */
const PARAMETERS = {phantom: 'example', example: 'example', lesson: 'lesson'};

/** How long the button says that the address was copied, in milliseconds. */
const CONFIRMED = 2500;

/**
 * The part of an address that names a state; null where it says nothing. Other parameters, e.g. Gradio's, are left alone.
 * @param {string} search the address's query @param {About} page @returns {Link} with the unknown parts as they are written
 */
export function readLink(search, page) {
  const query = new URLSearchParams(search);
  const film = filmsOf(page).find(({kind, item}) => query.get(PARAMETERS[kind] ?? '') === item.key) ?? null;
  const [finding, language] = [query.get('finding'), query.get('lang')];
  const keys = query.get('methods')?.split(',').filter(Boolean) ?? null;
  const methods = page.methods.map(method => method.key).filter(key => keys?.includes(key));
  const strange = keys?.filter(key => !methods.includes(key)) ?? [];
  const used = {
    example: film?.item.key, lesson: film?.item.key, finding: film?.labels.find(label => label === finding),
    lang: Object.keys(page.languages).find(code => code === language),
  };
  return {
    film, finding: used.finding ?? null, language: used.lang ?? null,
    methods: keys && (methods.length || !strange.length) ? methods : null,
    unknown: [
      ...Object.entries(used).filter(([name, value]) => query.has(name) && query.get(name) !== value).map(([name]) => `${name}=${query.get(name)}`),
      ...(strange.length ? [`methods=${strange.join()}`] : [])],
  };
}

/** @param {About} page @returns {Linked[]} */
function filmsOf({phantoms, examples, lessons, spec: {labels}}) {
  return [
    ...phantoms.map(item => /** @type {Linked} */ ({kind: 'phantom', item, labels})),
    ...examples.map(item => /** @type {Linked} */ ({kind: 'example', item, labels})),
    ...lessons.map(item => /** @type {Linked} */ ({kind: 'lesson', item, labels: item.boxes.map(box => box.label)}))];
}

/**
 * The inverse of `readLink`.
 * @param {Pick<State, 'page' | 'film' | 'chosen' | 'label' | 'on'>} shown @param {string} language its code
 * @returns {string | null} the query; null for a visitor's own film, which a link cannot name
 */
export function linkOf({page, film, chosen, label, on: visible}, language) {
  const parameter = film?.source && PARAMETERS[film.source.kind];
  if (film && !parameter) return null;
  const query = new URLSearchParams();
  if (parameter) query.set(parameter, film?.source?.key ?? '');
  if (parameter && chosen !== NONE) query.set('finding', label);
  query.set('methods', page.methods.map(method => method.key).filter(key => visible.has(key)).join());
  query.set('lang', language);
  return `?${query}`.replaceAll('%2C', ',');
}

/** Opens a link's film, and names its unknown parts. @param {Link} link */
export function openLink({film, finding, unknown}) {
  if (film?.kind === 'lesson') addLesson(film.item, finding);
  else if (film) addBuiltIn(film.kind, film.item, finding);
  if (unknown.length) note('box', tr('ui.links.unknown', {parts: unknown.join(', ')}));
}

// ------------------------------------------------------------------ the button

/** @returns the button that copies the address of the current state */
export function createCopyLink() {
  const copy = button(tr('ui.links.copy'), {class: 'quiet', id: 'cxr-copy-link', 'aria-live': 'polite'}, () => copyAddress(copy));
  const show = () => {
    copy.disabled = linkOf(state, locale()) === null;
    copy.title = copy.disabled ? tr('ui.links.own_film') : tr('ui.links.copy_hint');
  };
  on('film', show);
  show();
  return copy;
}

/** @param {HTMLButtonElement} copy */
async function copyAddress(copy) {
  const address = `${location.origin}${location.pathname}${linkOf(state, locale()) ?? ''}`;
  try {
    await navigator.clipboard.writeText(address);
  } catch {  // an insecure address, or a frame that may not use the clipboard
    return showAddress(copy, address);
  }
  setText(copy, tr('ui.links.copied'));
  setTimeout(() => setText(copy, tr('ui.links.copy')), CONFIRMED);
}

/** Shows the address, selected, until the focus leaves it. @param {HTMLButtonElement} copy @param {string} address */
function showAddress(copy, address) {
  const field = make('input', {type: 'text', readonly: true, value: address, onblur: () => label.remove()});
  const label = make('label', {class: 'group'}, tr('ui.links.copy_yourself'), field);
  copy.after(label);
  field.select();
}
