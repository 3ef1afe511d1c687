// The view of film and maps: zoom, window, colours, contours; rows of a popover.

/** @import {State} from './types.d.ts' */
import {button, group, make, setDisabled, setText} from './dom.js';
import {NARROWEST} from './greylevels.js';
import {tr} from './i18n.js';
import {note, on, setLook, state} from './store.js';
import {LARGEST, autoWindow, invertWindow, lookAt, setWindow, zoomBy} from './viewport.js';

export function createLooks() {
  const zoom = createZoom();
  const window = createWindow();
  const maps = createMapLooks();
  const status = make('p', {class: 'soft look-status', role: 'status'});  // outside the popover, which may be closed
  on('note', name => { if (name === 'look') setText(status, state.notes.look); });
  return {rows: [zoom, ...window.groups, ...maps.groups], status, surface: maps.surface, levels: maps.levels, invert: window.invert};
}

function createZoom() {
  const number = make('output', {id: 'cxr-zoom'}, '100 %');
  const out = button('\u2212', {class: 'quiet', 'aria-label': tr('ui.looks.zoom_out'), title: tr('ui.looks.zoom_out_key'), disabled: true}, () => zoomBy(1 / 1.5));
  const closer = button('+', {class: 'quiet', 'aria-label': tr('ui.looks.zoom_in'), title: tr('ui.looks.zoom_in_key')}, () => zoomBy(1.5));
  const all = button(tr('ui.looks.fit'), {class: 'quiet', title: tr('ui.looks.fit_hint'), disabled: true}, () => lookAt(0, 0, 1));
  on('view', () => {
    const {zoom} = state.view;
    setText(number, `${Math.round(100 * zoom)} %`);
    for (const node of [out, all]) setDisabled(node, zoom === 1);
    setDisabled(closer, zoom === LARGEST);
  });
  return group(tr('ui.looks.zoom'), out, number, closer, all);
}

function createWindow() {
  const slid = () => setWindow(Number(level.value), 1 - Number(contrast.value));
  const level = make('input', {type: 'range', id: 'cxr-level', min: 0, max: 1, step: 0.0005, value: 0.5, oninput: slid});
  const contrast = make('input', {type: 'range', id: 'cxr-contrast', min: 0, max: 1 - NARROWEST, step: 0.002, value: 0, oninput: slid});
  const invert = button(tr('ui.looks.invert'), {class: 'quiet', id: 'cxr-invert', 'aria-pressed': 'false', title: tr('ui.looks.invert_hint')}, invertWindow);
  const auto = button(tr('ui.looks.auto'), {class: 'quiet', id: 'cxr-auto', title: tr('ui.looks.auto_hint')}, autoWindow);
  const full = button(tr('ui.looks.full'), {class: 'quiet', id: 'cxr-full', title: tr('ui.looks.full_hint')}, () => setWindow(0.5, 1));
  on('view', () => {
    const {low, high, inverted} = state.window;
    level.value = String((low + high) / 2);
    contrast.value = String(1 - (high - low));
    invert.setAttribute('aria-pressed', String(inverted));
  });
  return {invert, groups: [group(make('label', {for: 'cxr-level'}, tr('ui.looks.level')), level),
    group(make('label', {for: 'cxr-contrast'}, tr('ui.looks.contrast')), contrast), group(tr('ui.looks.window'), auto, full, invert)]};
}

function createMapLooks() {
  const {page, palette} = state;
  const palettes = choice('cxr-palette', page.palettes.map(({key, title}) => [key, title]), palette, key => setLook({palette: key}));
  const sides = choice('cxr-side', [['both', tr('ui.looks.both_sides')], ['for', tr('ui.looks.for_only')], ['against', tr('ui.looks.against_only')]], state.side,
    side => setLook({side: /** @type {State['side']} */ (side)}));
  const surface = choice('cxr-surface', [['cells', tr('ui.looks.cells')], ['smooth', tr('ui.looks.smooth')]], state.smooth ? 'smooth' : 'cells', value => setLook({smooth: value === 'smooth'}));
  const levels = make('input', {type: 'text', id: 'cxr-levels', size: 8, placeholder: tr('ui.looks.no_contours'), inputmode: 'decimal',
    title: tr('ui.looks.contours_hint'), oninput: () => takeContours(levels)});
  return {surface, levels, groups: [
    group(make('label', {for: 'cxr-palette'}, tr('ui.looks.colours')), palettes),
    group(make('label', {for: 'cxr-side'}, tr('ui.looks.sides')), sides),
    group(make('label', {for: 'cxr-surface'}, tr('ui.looks.surface')), surface),
    group(make('label', {for: 'cxr-levels'}, tr('ui.looks.contours')), levels, make('span', {}, '%'))]};
}

/** @param {string} id @param {[string, string][]} options value and text @param {string} chosen @param {(value: string) => void} heard */
function choice(id, options, chosen, heard) {
  const list = make('select', {id, onchange: () => heard(list.value)},
    ...options.map(([value, words]) => make('option', {value, selected: value === chosen}, words)));
  return list;
}

/** Reads contour levels in percent of the scale's end, e.g. "25 50 75"; invalid entries are dropped and reported. @param {HTMLInputElement} field */
function takeContours(field) {
  const written = field.value.split(/[\s,;%]+/).filter(Boolean);
  const shares = written.map(Number).filter(share => share > 0 && share < 100);
  field.setAttribute('aria-invalid', String(shares.length < written.length));
  note('look', shares.length < written.length ? tr('ui.looks.contours_wrong') : '');
  setLook({levels: shares.map(share => share / 100).sort()});
}
