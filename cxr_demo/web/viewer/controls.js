// The toolbar over the maps: opacity, scale and methods; everything else waits in popovers.

/** @import {State} from './types.d.ts' */
import {createToggle} from './cards.js';
import {button, group, make, setText} from './dom.js';
import {tr} from './i18n.js';
import {percent} from './numbers.js';
import {createPopover} from './popovers.js';
import {on, setLook, shown, state} from './store.js';

/**
 * @param {{view: HTMLElement[], saving: HTMLElement[], comparing: HTMLElement[], check: () => void}} tools of the view, for saving and to compare;
 * `check` opens and closes the drawer, whose tabs a narrow screen hides
 * @returns the bar, and the slider of opacity
 */
export function createControls({view, saving, comparing, check}) {
  const number = make('output', {for: 'cxr-opacity'}, percent(state.opacity));
  const opacity = make('input', {type: 'range', min: 0, max: 1, step: 0.01, value: state.opacity, id: 'cxr-opacity', oninput: () => {
    setText(number, percent(Number(opacity.value)));
    setLook({opacity: Number(opacity.value)});
  }});
  const bar = make('section', {class: 'controls', 'aria-label': tr('ui.controls.title')},
    group(make('label', {for: 'cxr-opacity'}, tr('ui.controls.opacity')), opacity, number),
    group(tr('ui.controls.scale'), radio('own', tr('ui.controls.each_own')), radio('same', tr('ui.controls.same_for_all'))),
    ...methodsMenu(), ...menu('cxr-view', tr('ui.looks.title'), view), ...comparing,
    button(tr('ui.controls.check'), {class: 'quiet check', id: 'cxr-check'}, check), ...menu('cxr-saving', tr('ui.controls.take_away'), saving));
  return {bar, opacity};
}

/** @param {State['scale']} value @param {string} text */
function radio(value, text) {
  return make('label', {}, make('input', {type: 'radio', name: 'cxr-scale', value, checked: state.scale === value,
    onchange: () => setLook({scale: value})}), text);
}

/** @param {string} id @param {string} words @param {HTMLElement[]} content */
function menu(id, words, content) {
  const {opener, pane} = createPopover(id, `${words} \u25be`, words, ...content);
  return [opener, pane];
}

/** A list of all methods, whose button says how many are shown. */
function methodsMenu() {
  const words = make('span', {});
  const {opener, pane} = createPopover('cxr-methods', words, tr('ui.controls.methods'),
    make('div', {class: 'entries'}, ...state.page.methods.map(createToggle)));
  on('cards-shown', () => setText(words, `${tr('ui.controls.methods')} ${shown().length} \u25be`));
  return [opener, pane];
}
