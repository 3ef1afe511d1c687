// The example on the empty page: a phantom with recorded answers. It is in no list of films; when the visitor asks for more
// than the record has, it becomes a film like others (`requests.js`).

/** @import {Parts} from './film.js' */
import {choose} from './actions.js';
import {make} from './dom.js';
import {tr} from './i18n.js';
import {isExample, newFilm, on, state} from './store.js';

/** Marks the stage while it shows the example. @param {Parts} film */
export function createExample({stage}) {
  stage.append(make('span', {class: 'badge'}, tr('ui.films.example')));
  on('film', () => stage.classList.toggle('example', isExample()));
}

/** Shows the example on a page without films, if there is one of its model. */
export function openExample() {
  const {example, phantoms} = state.page;
  const item = phantoms.find(({key}) => key === example?.key);
  if (item) choose(newFilm(item.title, {kind: 'phantom', key: item.key, stored: true}));
}
