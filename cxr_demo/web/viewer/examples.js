// Ways to add films: the file chooser, and the examples that come with the page.

/** @import {BuiltIn, Phantom} from './types.d.ts' */
import {addBuiltIn, addLesson} from './actions.js';
import {button, make} from './dom.js';
import {tr} from './i18n.js';
import {createPopover} from './popovers.js';
import {on, state, takesFilms} from './store.js';

/** @param {() => void} openPicker opens the chooser of files @param {() => void} openFolder opens that of a folder @returns nodes for the header */
export function createAdding(openPicker, openFolder) {
  if (!takesFilms()) return [];
  const choose = button(tr('ui.films.choose'), {class: 'quiet', id: 'cxr-choose'}, () => { pane.hidePopover(); openPicker(); });
  const folder = button(tr('ui.films.choose_folder'), {class: 'quiet', id: 'cxr-choose-folder'}, () => { pane.hidePopover(); openFolder(); });
  const {opener, pane} = createPopover('cxr-add', `+ ${tr('ui.films.add')}`, tr('ui.films.add'), make('div', {class: 'chips'}, choose, folder), ...exampleLists());
  pane.classList.add('examples');
  pane.addEventListener('click', event => { if (/** @type {Element} */ (event.target).closest('.picture, .chip')) pane.hidePopover(); });
  return [opener, pane];
}

/** The phantoms as pictures, under the maps of an empty page. */
export function createExamples() {
  const panel = make('section', {class: 'examples first', 'aria-label': tr('ui.films.examples'), hidden: !takesFilms()}, ...phantomList());
  on('film', () => { panel.hidden = !takesFilms() || state.films.length > 0; });
  return panel;
}

function exampleLists() {
  const {examples, lessons} = state.page;
  return [...phantomList(),
    ...listOf(tr('ui.films.public'), examples.map(item => chip('example', item, () => addBuiltIn('example', item)))),
    ...listOf(tr('ui.films.failures'), lessons.map(item => chip('lesson', item, () => addLesson(item))))];
}

const phantomList = () => listOf(tr('ui.films.phantoms'), state.page.phantoms.map(pictureOf));

/** @param {string} words @param {HTMLElement[]} items */
const listOf = (words, items) => items.length ? [make('h3', {}, words), make('div', {class: 'chips'}, ...items)] : [];

/** @param {Phantom} item */
const pictureOf = item => make('button', {type: 'button', class: 'picture', 'data-phantom': item.key, onclick: () => addBuiltIn('phantom', item)},
  make('img', {src: item.picture, alt: '', width: 64, height: 64}), item.title);

/** @param {string} kind @param {BuiltIn} item @param {() => void} open */
const chip = (kind, item, open) => button(item.title, {class: 'chip', [`data-${kind}`]: item.key, title: item.credit}, open);
