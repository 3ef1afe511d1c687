// Controls over all cards: finding, opacity, scale, methods, and saving everything.

/** @import {State} from './types.d.ts' */
import {createToggle} from './cards.js';
import {group, make, setText} from './dom.js';
import {tr} from './i18n.js';
import {percent} from './numbers.js';
import {setLook, state} from './store.js';

/** @param {HTMLSelectElement} chooser of findings @param {HTMLElement[]} saving nodes that save everything @returns the bar, and the slider of opacity */
export function createControls(chooser, saving) {
  const number = make('output', {for: 'cxr-opacity'}, percent(state.opacity));
  const opacity = make('input', {type: 'range', min: 0, max: 1, step: 0.01, value: state.opacity, id: 'cxr-opacity', oninput: () => {
    setText(number, percent(Number(opacity.value)));
    setLook({opacity: Number(opacity.value)});
  }});
  const bar = make('section', {class: 'controls', 'aria-label': tr('ui.controls.title')},
    group(make('label', {for: 'cxr-finding'}, tr('ui.common.finding')), chooser),
    group(make('label', {for: 'cxr-opacity'}, tr('ui.controls.opacity')), opacity, number),
    group(tr('ui.controls.scale'), radio('own', tr('ui.controls.each_own')), radio('same', tr('ui.controls.same_for_all'))),
    group(tr('ui.controls.methods'), ...state.page.methods.map(createToggle)),
    group(tr('ui.controls.take_away'), ...saving));
  return {bar, opacity};
}

/** @param {State['scale']} value @param {string} text */
function radio(value, text) {
  return make('label', {}, make('input', {type: 'radio', name: 'cxr-scale', value, checked: state.scale === value,
    onchange: () => setLook({scale: value})}), text);
}
