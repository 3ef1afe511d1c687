// The example on the empty page: a phantom with recorded answers. It is in no list of films; when the visitor asks for more
// than the record has, it becomes a film like others (`requests.js`).

/** @import {Parts} from './film.js' */
/** @import {Answer} from './types.d.ts' */
import {choose} from './actions.js';
import {make} from './dom.js';
import {tr} from './i18n.js';
import {isExample, newFilm, on, shown, state} from './store.js';

/** Marks the stage while it shows the example. @param {Parts} film */
export function createExample({stage}) {
  stage.append(make('span', {class: 'badge'}, tr('ui.films.example')));
  on('film', () => stage.classList.toggle('example', isExample()));
}

/** Shows the example on a page without films, if there is one of its model with maps of all visible methods. */
export function openExample() {
  const {example, phantoms} = state.page;
  const item = phantoms.find(({key}) => key === example?.key);
  const recorded = Object.values(example?.answers ?? {}).map(answer => /** @type {Answer} */ (answer).method);
  if (item && shown().every(({key}) => recorded.includes(key))) choose(newFilm(item.title, {kind: 'phantom', key: item.key, stored: true}));
}
