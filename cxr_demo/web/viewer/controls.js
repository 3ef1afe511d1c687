// Controls over all cards: finding, opacity, scale, methods, and saving everything.

/** @import {State} from './types.d.ts' */
import {createToggle} from './cards.js';
import {group, make, setText} from './dom.js';
import {tr} from './i18n.js';
import {percent} from './numbers.js';
import {setLook, state} from './store.js';

/** @param {HTMLSelectElement} chooser of findings @param {HTMLElement[]} saving what saves everything @returns the bar, and the slider of opacity */
export function createControls(chooser, saving) {
  const number = make('output', {for: 'cxr-opacity'}, percent(state.opacity));
  const opacity = make('input', {type: 'range', min: 0, max: 1, step: 0.01, value: state.opacity, id: 'cxr-opacity', oninput: () => {
    setText(number, percent(Number(opacity.value)));
    setLook({opacity: Number(opacity.value)});
  }});
  const bar = make('section', {class: 'controls', 'aria-label': tr('How the maps are shown')},
    group(make('label', {for: 'cxr-finding'}, tr('Finding')), chooser),
    group(make('label', {for: 'cxr-opacity'}, tr('Opacity')), opacity, number),
    group(tr('Scale'), radio('own', tr('each its own')), radio('same', tr('same for all methods'))),
    group(tr('Methods'), ...state.page.methods.map(createToggle)),
    group(tr('Take away'), ...saving));
  return {bar, opacity};
}

/** @param {State['scale']} value @param {string} text */
function radio(value, text) {
  return make('label', {}, make('input', {type: 'radio', name: 'cxr-scale', value, checked: state.scale === value,
    onchange: () => setLook({scale: value})}), text);
}
