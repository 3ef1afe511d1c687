// A card for each method: its map, how far it has come, its settings.

/** @import {Answer, Entry, Maps, Method, Setting} from './types.d.ts' */
import {fit, picture, planeShown, stopsOf} from './canvas.js';
import {ramp} from './colours.js';
import {button, make, setText, makeStage} from './dom.js';
import {placeIn} from './geometry.js';
import {followPointers} from './gestures.js';
import {told, tr} from './i18n.js';
import {extremes, valueIn} from './maps.js';
import {fixed, lasting, readable, signed} from './numbers.js';
import {savePicture} from './picturefile.js';
import {pace, words} from './progress.js';
import {askEstimate, askRun, complete, stop} from './requests.js';
import {current, entryOf, isBusy, on, publish, setSetting, setSettings, shown, state, switchMethod, takesFilms} from './store.js';

/** What a trusted map's line begins with, by verdict. @type {Readonly<Record<string, string>>} */
const MARKS = {supported: '\u2713', anatomy: '\u2248', random: '\u2715', undefined: '?'};
/** A map whose largest value is a smaller share of the scale's end has nothing to see. */
const FAINT = 0.02;

/** @typedef {Map<string, HTMLInputElement | HTMLSelectElement>} Fields by the setting's name */
/** @typedef {ReturnType<typeof createParts> & {method: Method, fields: Fields}} Card */

/** @param {() => void} readAloud @returns the cards' nodes, and all their readings in words */
export function createCards(readAloud) {
  const cards = state.page.methods.map(method => createCard(method, readAloud));
  /** @type {(method: Method) => Card[]} */
  const of = method => cards.filter(card => card.method === method);
  const visible = () => cards.filter(card => state.on.has(card.method.key));
  on('draw', () => visible().forEach(drawCard));
  on('cards', () => visible().forEach(drawCard));
  on('point', () => visible().forEach(readOut));
  on('card', method => of(method).forEach(refresh));
  on('scramble', () => visible().forEach(trustLine));
  on('estimate', answer => cards.forEach(card => showEstimate(card, answer)));
  on('cards-shown', () => { for (const card of cards) card.node.hidden = !state.on.has(card.method.key); });
  on('film', () => cards.forEach(takeSettings));
  return {nodes: cards.map(card => card.node),
    readings: () => visible().map(card => `${card.method.title} ${card.readout.textContent || tr('no map')}`).join('; ')};
}

// ------------------------------------------------------------------ nodes

/** @param {Method} method @param {() => void} readAloud @returns {Card} */
function createCard(method, readAloud) {
  const fields = new Map(method.settings.map(setting => [setting.name, createField(method, setting)]));
  const card = {...createParts(method, fields), method, fields};
  followPointers(card.canvas, readAloud);
  return card;
}

/** @param {Method} method @param {Fields} fields */
function createParts(method, fields) {
  const about = {method: method.title};
  const {canvas, node: place} = makeStage(tr('{method}: no map yet', about));
  place.classList.add('blank');
  place.dataset.blank = tr('the map appears here');
  const [low, middle, high, readout, fidelity, status, figures, estimate] =
    ['low', 'middle', 'high', 'readout', 'fidelity', 'status', 'figures', 'estimate'].map(name => make('span', {class: name}));
  status.setAttribute('role', 'status');
  const trust = make('p', {class: 'trust', hidden: true});
  const scale = make('div', {class: 'ramp'});
  const bar = make('progress', {max: 1, value: 0, 'aria-label': tr('{method}: progress', about)});
  const end = button(tr('Stop'), {class: 'stop', 'aria-label': tr('Stop {method}', about), disabled: true}, () => stop(method));
  const again = button(tr('Run again'), {class: 'quiet', 'aria-label': tr('Run {method} again', about), disabled: true}, () => askRun(method));
  const save = button(tr('Save PNG'), {class: 'quiet', 'aria-label': tr('Save the picture of {method}', about), disabled: true}, () => saveMap(method));
  const node = make('article', {class: 'card', 'data-method': method.key, 'aria-label': method.title, hidden: !method.on},
    make('header', {}, make('h3', {}, method.title), make('span', {class: 'unit'}, told(method.unit)), end),
    place,
    make('div', {class: 'scale'}, scale, make('div', {class: 'ticks'}, low, middle, high)),
    make('div', {class: 'line'}, readout, fidelity),
    trust,
    bar,
    make('div', {class: 'line'}, status, figures),
    make('p', {class: 'reading'}, method.reading),
    make('details', {ontoggle: () => { if (takesFilms()) askEstimate(method); }}, make('summary', {}, tr('Settings')),
      ...method.settings.map(setting => labelled(method, setting, fields)), make('p', {class: 'line'}, estimate),
      make('p', {class: 'paper'}, method.paper)),
    make('footer', {}, again, save));
  return {node, canvas, stage: place, low, middle, high, readout, fidelity, status, figures, estimate, trust, scale, bar, end, again, save};
}

/** @param {Method} method @param {Setting} setting */
const idOf = (method, setting) => `cxr-${method.key}-${setting.name}`;

/** @param {Method} method @param {Setting} setting @param {Fields} fields */
function labelled(method, setting, fields) {
  return make('div', {class: 'setting'}, make('label', {for: idOf(method, setting), title: setting.help}, readable(setting.name)),
    fields.get(setting.name), make('small', {}, setting.help));
}

/** @param {Method} method @param {Setting} s */
function createField(method, s) {
  const id = idOf(method, s);
  const field = s.choices.length
    ? make('select', {id}, ...s.choices.map(c => make('option', {value: c, selected: c === s.default}, tr(c))))
    : make('input', {id, type: 'number', min: s.low, max: s.high, step: s.step ?? 'any', value: s.default});
  const take = () => setSetting(method, s.name, s.choices.length ? field.value : Number(field.value));
  field.addEventListener('input', take);
  field.addEventListener('change', () => {
    if (field.value === '') field.value = String(s.default);
    take();
    if (takesFilms()) askEstimate(method);
  });
  return field;
}

/** The settings of the film's own run, where there is one. @param {Card} card */
function takeSettings(card) {
  const used = entryOf(card.method)?.settings;
  if (used) setSettings(card.method, used);
  for (const [name, value] of Object.entries(used ?? {})) {
    const field = card.fields.get(name);
    if (field) field.value = String(value);
  }
  refresh(card);
}

// ------------------------------------------------------------------ the map

/** The value that gets full colour: one for all cards that share the unit, or the card's own. @param {Method} method @param {Maps} maps */
export function limitOf(method, maps) {
  const own = maps.limit[state.chosen];
  if (state.scale === 'own' || !method.comparable) return own;
  return Math.max(own, ...comparable().map(limitIn));
}

const comparable = () => shown().filter(method => method.comparable);
/** @param {Method} method */
const limitIn = method => entryOf(method)?.maps?.limit[state.chosen] ?? 0;

/** @param {Card} card */
function drawCard(card) {
  const {method} = card;
  const result = current();
  card.stage.classList.toggle('blank', !result);
  if (!result) return;
  fit(card.canvas, result.image);
  const entry = entryOf(method);
  const maps = entry?.maps;
  const stops = stopsOf(method.unit);
  const map = maps ? {maps, limit: limitOf(method, maps), stops} : null;
  picture(card.canvas, result, map);
  card.scale.style.backgroundImage = ramp(stops, state.side, state.opacity);
  ticks(card, stops[0][0], map?.limit);
  describe(card, entry, map);
  trustLine(card);
  if (state.pointer) readOut(card);
}

/** @param {Card} card @param {number} low of the scale, in shares of its end @param {number} [limit] */
function ticks(card, low, limit) {
  /** @param {number} t */
  const number = t => limit === undefined ? '' : signed(t * limit, limit);
  setText(card.low, number(low));
  setText(card.middle, low < 0 ? '0' : number(0.5));
  setText(card.high, number(1));
}

/** @param {Card} card @param {Entry | null} entry @param {{maps: Maps, limit: number} | null} map */
function describe(card, entry, map) {
  const {method} = card;
  const about = {method: method.title, finding: readable(state.label)};
  let said = tr('{method}, {finding}: no map yet', about);
  if (map) {
    const unit = map.maps.scale[state.chosen];
    const [least, most] = extremes(planeShown(map.maps, state.chosen)).map(q => q * unit);
    const empty = Math.max(most, -least) < FAINT * map.limit || map.limit === 0;
    card.stage.classList.toggle('empty', empty);
    said = empty ? tr('{method}, {finding}: nothing to see at this scale', about)
      : tr('{method}, {finding}: from {least} to {most} {unit}', {...about, least: signed(least), most: signed(most), unit: told(method.unit)});
  }
  card.canvas.setAttribute('aria-label', said);
  const fidelity = entry?.fidelity?.[state.chosen] ?? null;
  const fits = fidelity === null ? '' : tr('fits the model on its samples: R\u00b2 {value}', {value: fixed(fidelity, 2)});
  setText(card.fidelity, [map ? faintness(method, map.maps) : '', fits].filter(Boolean).join(' \u00b7 '));
}

/** Colours of cards with scales of their own do not tell how strong a map is, so words do. @param {Method} method @param {Maps} maps */
function faintness(method, maps) {
  if (!method.comparable) return '';
  const [strongest] = comparable().sort((a, b) => limitIn(b) - limitIn(a));
  const ratio = limitIn(strongest) / maps.limit[state.chosen];
  return ratio >= 2 ? tr('{times} times fainter than {method}', {times: ratio.toFixed(0), method: strongest.title}) : '';
}

/** The value under the pointer. @param {Card} card */
function readOut(card) {
  const maps = entryOf(card.method)?.maps;
  const crop = current()?.seen.film.crop;
  if (!maps || !crop || !state.pointer) return setText(card.readout, '');
  const place = placeIn(state.pointer, crop);
  setText(card.readout, !place ? tr('not seen by the model')
    : tr('here {value}', {value: signed(valueIn(maps, state.chosen, place), maps.limit[state.chosen])}));
}

/** How far the map can be believed. @param {Card} card */
function trustLine({method, trust}) {
  const result = current();
  const found = result?.trust?.methods?.[method.key];
  const i = state.chosen;
  const fits = found && result?.trust?.about.split(' ').includes(`${method.key}:${entryOf(method)?.run}`);
  trust.hidden = !fits;
  if (!fits) return;
  trust.dataset.verdict = found.verdict[i];
  const kept = result.scramble?.maps.get(method.key)?.kept?.[i] ?? NaN;
  const stays = kept >= state.page.stays ? tr('It stays with scrambled weights: it is not about this model.') : '';
  setText(trust, [MARKS[found.verdict[i]], told(found.says[i]), stays].filter(Boolean).join(' '));
}

/** @param {Method} method */
function saveMap(method) {
  const maps = entryOf(method)?.maps;
  if (maps) savePicture(method, maps, limitOf(method, maps));
}

// ------------------------------------------------------------------ the run

/** Words and bar of a card: what is done, of how much, and whether it ended early. @param {Card} card */
function refresh(card) {
  const entry = entryOf(card.method);
  const busy = isBusy(entry);
  const [done, total] = entry?.steps ?? [0, 0];
  card.node.dataset.state = entry?.state ?? 'idle';
  card.end.disabled = entry?.state !== 'running';
  card.again.disabled = busy || !current();
  card.save.disabled = !entry?.maps;
  if (busy && !total) card.bar.removeAttribute('value');
  else card.bar.value = entry?.state === 'done' ? 1 : total ? done / total : 0;
  setText(card.status, entry ? words(entry) : '');
  card.status.classList.toggle('early', Boolean(entry?.error || entry?.stopped));
  setText(card.figures, entry ? figuresOf(entry) : '');
  if (!entry?.maps) { setText(card.readout, ''); setText(card.fidelity, ''); }
  publish('export');
}

/** @param {Entry} entry */
function figuresOf(entry) {
  const seconds = isBusy(entry) ? (performance.now() - entry.began) / 1000 : entry.seconds;
  if (seconds === undefined) return '';
  return [`${fixed(seconds, 1)} s`, entry.forwards ? tr('{n} forward passes', {n: entry.forwards}) : ''].filter(Boolean).join(' \u00b7 ');
}

/** What a run would take, or which setting is wrong. @param {Card} card @param {Answer} answer */
function showEstimate(card, {run, method, copies, error}) {
  if (card.method.key !== method || state.estimating.get(card.method.key) !== run) return;
  setText(card.estimate, error ? told(error) : estimateOf(card.method, copies ?? 0));
  card.estimate.classList.toggle('early', Boolean(error));
  for (const [name, field] of card.fields) field.setAttribute('aria-invalid', String(Boolean(error?.startsWith(`${name}=`))));
}

/** @param {Method} method @param {number} copies */
function estimateOf(method, copies) {
  if (!copies) return tr('takes no altered copies');
  const each = pace(method);
  return each ? tr('{n} altered copies, about {time}', {n: copies, time: lasting(copies * each)}) : tr('{n} altered copies', {n: copies});
}

// ------------------------------------------------------------------ on and off

/** @param {Method} method @returns a box that shows or hides its card */
export function createToggle(method) {
  const box = make('input', {type: 'checkbox', checked: method.on, 'data-method': method.key, onchange: () => {
    switchMethod(method, box.checked);
    if (box.checked) complete(); else stop(method);
    publish('cards-shown');
    publish('grid');
  }});
  return make('label', {}, box, method.title);
}
