// One card per method: its map, two facts about it, and a popover with everything else.

/** @import {Answer, Entry, Maps, Method, Setting} from './types.d.ts' */
import {measuredBoxes} from './boxes.js';
import {fit, outlineOrigin, picture, planeShown, stopsOf} from './canvas.js';
import {ramp} from './colours.js';
import {findingShown, isDifference, mapsOf} from './difference.js';
import {button, make, makeStage, setDisabled, setText} from './dom.js';
import {placeIn} from './geometry.js';
import {followPointers} from './gestures.js';
import {say, tr} from './i18n.js';
import {extremes, valueIn} from './maps.js';
import {figure, fixed, lasting, share, signed} from './numbers.js';
import {savePicture} from './picturefile.js';
import {createPopover} from './popovers.js';
import {pace, words} from './progress.js';
import {measuresOf} from './quality.js';
import {askEstimate, askRun, stop} from './requests.js';
import {current, entryOf, isBusy, isExample, on, publish, setSetting, setSettings, shown, state, switchMethod, takesFilms, waitsForRequest} from './store.js';
import {createMeter, reliabilityOf} from './reliability.js';

/** Milliseconds without a keystroke after which the cost of new settings is requested if they are still in view. */
const TYPING = 300;

/** @typedef {Map<string, HTMLInputElement | HTMLSelectElement>} Fields by the setting's name */
/** @typedef {ReturnType<typeof createParts> & {method: Method, fields: Fields}} Card */

/** @param {() => void} readAloud @returns the cards' nodes by method, and a function for all their readings in words */
export function createCards(readAloud) {
  const cards = state.page.methods.map(method => createCard(method, readAloud));
  /** @type {(method: Method) => Card[]} */
  const of = method => cards.filter(card => card.method === method);
  const visible = () => cards.filter(card => state.on.has(card.method.key));
  on('draw', () => visible().forEach(drawCard));
  on('cards', () => visible().forEach(drawCard));
  on('point', () => visible().forEach(readOut));
  on('card', method => of(method).forEach(refresh));
  for (const topic of /** @type {const} */ (['scramble', 'trust'])) on(topic, () => visible().forEach(showFacts));
  on('estimate', answer => cards.forEach(card => showEstimate(card, answer)));
  on('cards-shown', () => { for (const card of cards) card.node.hidden = !state.on.has(card.method.key); });
  on('film', () => cards.forEach(takeSettings));
  return {nodes: new Map(cards.map(card => [card.method, card.node])),
    readings: () => visible().map(card => `${card.method.title} ${card.readout.textContent || tr('ui.cards.no_map')}`).join('; ')};
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
  const bar = make('progress', {max: 1, value: 0, 'aria-label': tr('ui.cards.progress', about)});
  const {canvas, node: place} = makeStage(tr('ui.cards.map_of_none', about), bar);
  const [low, middle, high, readout, fidelity, boxed, status, figures, estimate] =
    ['low', 'middle', 'high', 'readout', 'fidelity', 'boxed', 'status', 'figures', 'estimate'].map(name => make('span', {class: name}));
  status.setAttribute('role', 'status');
  const trust = make('span', {class: 'trust', hidden: true});
  const meter = createMeter();
  const scale = make('div', {class: 'ramp'});
  const end = button(tr('ui.common.stop'), {class: 'stop', 'aria-label': tr('ui.cards.stop_method', about), hidden: true}, () => stop(method));
  const again = button(tr('ui.cards.run_again'), {class: 'quiet again', 'aria-label': tr('ui.cards.run_method', about), disabled: true}, () => askRun(method));
  const save = button(tr('ui.cards.save'), {class: 'quiet', 'aria-label': tr('ui.cards.save_method', about), disabled: true}, () => saveMap(method));
  const more = createPopover(`cxr-more-${method.key}`, '\u22ef', tr('ui.cards.more', about),
    make('h4', {}, method.title), make('p', {class: 'reading'}, method.reading),
    make('h4', {}, tr('ui.cards.settings')), ...method.settings.map(setting => labelled(method, setting, fields)), make('p', {class: 'line'}, estimate),
    make('div', {class: 'group'}, again, save), make('p', {class: 'line'}, figures),
    make('p', {class: 'paper'}, method.unit.title, make('br'), method.paper));
  more.pane.addEventListener('beforetoggle', event => {
    if (takesFilms() && /** @type {ToggleEvent} */ (event).newState === 'open') askEstimate(method);
  });
  const node = make('article', {class: 'card', 'data-method': method.key, 'aria-label': method.title, hidden: !method.on},
    make('header', {}, make('h3', {title: method.unit.title}, method.title), end, more.opener, more.pane),
    place,
    make('div', {class: 'scale', title: method.unit.title}, scale, make('div', {class: 'ticks'}, low, middle, high)),
    make('p', {class: 'said'}, status, ' ', trust),
    make('div', {class: 'told'}, make('div', {class: 'line'}, meter.node), make('div', {class: 'line'}, readout, boxed, fidelity)));
  return {node, canvas, stage: place, low, middle, high, readout, fidelity, boxed, status, figures, estimate, trust, meter, scale, bar, end, again, save, opener: more.opener};
}

/** @param {Method} method @param {Setting} setting */
const idOf = (method, setting) => `cxr-${method.key}-${setting.name}`;

/** @param {Method} method @param {Setting} setting @param {Fields} fields */
function labelled(method, setting, fields) {
  return make('div', {class: 'setting'}, make('label', {for: idOf(method, setting), title: setting.help}, setting.title),
    fields.get(setting.name), make('small', {}, setting.help));
}

/** @param {Method} method @param {Setting} s */
function createField(method, s) {
  const id = idOf(method, s);
  const field = s.choices.length
    ? make('select', {id}, ...s.choices.map(({key, title}) => make('option', {value: key, selected: key === s.default}, title)))
    : make('input', {id, type: 'number', min: s.low, max: s.high, step: s.step ?? 'any', value: s.default});
  const take = () => setSetting(method, s.name, s.choices.length ? field.value : Number(field.value));
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let typing;
  const changed = () => {
    take();
    clearTimeout(typing);
    if (takesFilms() && field.value !== '') typing = setTimeout(() => field.closest(':popover-open') && askEstimate(method), TYPING);
  };
  field.addEventListener('input', changed);
  field.addEventListener('change', () => {
    if (field.value === '') field.value = String(s.default);
    changed();
  });
  return field;
}

/** Shows the settings of the film's own run, if there is one. @param {Card} card */
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

/** The value with full colour: common to all cards of a unit, or the card's own. @param {Method} method @param {Maps} maps */
export function limitOf(method, maps) {
  const own = maps.limit[state.chosen];
  if (state.scale === 'own' || !method.comparable) return own;
  return Math.max(own, ...comparable().map(limitIn));
}

const comparable = () => shown().filter(method => method.comparable);
/** @param {Method} method */
const limitIn = method => mapsOf(method)?.limit[state.chosen] ?? 0;

/** @param {Card} card */
function drawCard(card) {
  const {method} = card;
  const result = current();
  showStage(card);
  if (!result) return;
  fit(card.canvas, result.image);
  const entry = entryOf(method);
  const maps = mapsOf(method);
  const stops = stopsOf(method);
  const map = maps ? {maps, limit: limitOf(method, maps), stops} : null;
  picture(card.canvas, result, map);
  const origin = map && !isDifference() && reliabilityOf(method, result, state.chosen) ? result.trust?.measured.get(state.chosen)?.origin : null;
  if (origin?.method === method.key) outlineOrigin(card.canvas, result, origin);
  card.scale.style.backgroundImage = ramp(stops, state.side, state.opacity);
  ticks(card, stops[0][0], map?.limit);
  describe(card, entry, map);
  showFacts(card);
  if (state.pointer) readOut(card);
}

/** Shows the stage empty without a film, and while the map waits for the visitor's request. @param {Card} card */
function showStage({stage, method}) {
  const waits = waitsForRequest() && !entryOf(method);
  stage.classList.toggle('blank', waits || !current());
  stage.dataset.blank = waits ? tr('ui.cards.on_request') : tr('ui.cards.appears_here');
}

/** @param {Card} card @param {number} low end of the scale, in shares of its upper end @param {number} [limit] */
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
  const about = {method: method.title, finding: findingShown()};
  let said = tr('ui.cards.no_map_of_finding', about);
  if (map) {
    const unit = map.maps.scale[state.chosen];
    const [least, most] = extremes(planeShown(map.maps, state.chosen)).map(q => q * unit);
    const empty = Math.max(most, -least) < state.page.faintest * map.limit || map.limit === 0;
    card.stage.classList.toggle('empty', empty);
    said = empty ? tr('ui.cards.nothing_to_see', about)
      : tr('ui.cards.range', {...about, least: signed(least), most: signed(most), unit: method.unit.title});
  }
  card.canvas.setAttribute('aria-label', said);
  const measures = isDifference() ? [] : measuresOf(entry, state.chosen);
  setText(card.fidelity, [...measures.map(one => one.said), map ? faintness(method, map.maps) : ''].filter(Boolean).join(' \u00b7 '));
  card.fidelity.title = [card.fidelity.textContent, ...measures.map(one => one.meaning)].join('\n');
}

/** States a map's strength in words where each card has its own scale. @param {Method} method @param {Maps} maps */
function faintness(method, maps) {
  if (!method.comparable || entryOf(method)?.state !== 'done') return '';
  // an unfinished map may be far stronger or fainter than it will be
  const [strongest] = comparable().filter(one => entryOf(one)?.state === 'done').sort((a, b) => limitIn(b) - limitIn(a));
  const ratio = limitIn(strongest) / maps.limit[state.chosen];
  return ratio >= 2 ? tr('ui.cards.fainter', {times: ratio.toFixed(0), method: strongest.title}) : '';
}

/** Shows the value under the pointer. @param {Card} card */
function readOut(card) {
  const maps = mapsOf(card.method);
  const crop = current()?.seen.film.crop;
  if (!maps || !crop || !state.pointer) return setText(card.readout, '');
  const place = placeIn(state.pointer, crop);
  setText(card.readout, !place ? tr('ui.cards.not_seen')
    : tr('ui.cards.here', {value: signed(valueIn(maps, state.chosen, place), maps.limit[state.chosen])}));
}

/** Shows how far the map can be trusted, and what lies in the finding's boxes. @param {Card} card */
function showFacts({method, trust, meter, boxed}) {
  const result = current();
  delete trust.dataset.verdict;
  trust.classList.remove('stays');
  trust.title = '';
  if (isDifference()) {
    meter.show(method, null);
    setText(boxed, '');
    trust.hidden = !entryOf(method)?.maps;
    trust.title = method.comparable ? tr('ui.difference.hint') : '';
    return setText(trust, method.comparable ? tr('ui.difference.untested', {pair: findingShown()}) : tr('ui.difference.only_ranks'));
  }
  const verdict = result && reliabilityOf(method, result, state.chosen);
  const isMeasuring = result?.trust?.state === 'running';
  const others = shown().some(one => isBusy(entryOf(one)));
  const waits = !verdict && (isMeasuring || others) && entryOf(method)?.state === 'done' && !isExample();
  trust.hidden = !verdict && !waits;
  meter.show(method, verdict?.key === 'untestable' ? null : verdict);
  const placed = verdict ? measuredBoxes()?.[method.key] : null;
  setText(boxed, placed ? tr('ui.cards.in_box', {energy: figure(placed.energy), peak: share(placed.peak)}) : '');
  if (waits) setText(trust, isMeasuring ? tr('ui.cards.testing') : tr('ui.cards.tested_later'));
  if (!verdict) return;
  trust.dataset.verdict = verdict.key;
  trust.classList.toggle('stays', verdict.stays);
  setText(trust, verdict.short);
  trust.title = verdict.full;
}

/** @param {Method} method */
function saveMap(method) {
  const maps = mapsOf(method);
  if (maps) savePicture(method, maps, limitOf(method, maps));
}

// ------------------------------------------------------------------ the run

/** Updates a card's progress in words and as a bar, and whether the run stopped early. @param {Card} card */
function refresh(card) {
  const entry = entryOf(card.method);
  const busy = isBusy(entry);
  const [done, total] = entry?.steps ?? [0, 0];
  card.node.dataset.state = entry?.state ?? 'idle';
  showStage(card);
  if (card.end === document.activeElement && entry?.state !== 'running') card.opener.focus();
  card.end.hidden = entry?.state !== 'running';
  card.bar.hidden = !busy;
  setDisabled(card.again, busy || !current());
  card.save.disabled = !mapsOf(card.method);
  if (total) card.bar.value = done / total; else card.bar.removeAttribute('value');
  card.status.title = entry ? words(entry) : '';
  setText(card.status, card.status.title);
  card.status.classList.toggle('early', Boolean(entry?.error || entry?.stopped));
  setText(card.figures, entry ? figuresOf(entry) : '');
  if (!entry?.maps) { setText(card.readout, ''); setText(card.fidelity, ''); card.fidelity.title = ''; }
  publish('export');
}

/** @param {Entry} entry */
function figuresOf(entry) {
  const seconds = isBusy(entry) ? (performance.now() - entry.began) / 1000 : entry.seconds;
  if (seconds === undefined) return '';
  return [`${fixed(seconds, 1)} s`, entry.forwards ? tr('ui.cards.forward_passes', {n: entry.forwards}) : ''].filter(Boolean).join(' \u00b7 ');
}

/** Shows the estimated cost of a run, or the error of an invalid setting. @param {Card} card @param {Answer} answer */
function showEstimate(card, {run, method, copies, error, field: wrong}) {
  if (card.method.key !== method || state.estimating.get(card.method.key) !== run) return;
  setText(card.estimate, error ? say(error) : estimateOf(card.method, copies ?? 0));
  card.estimate.classList.toggle('early', Boolean(error));
  for (const [name, field] of card.fields) field.setAttribute('aria-invalid', String(name === wrong));
}

/** @param {Method} method @param {number} copies */
function estimateOf(method, copies) {
  if (!copies) return tr('ui.cards.no_copies');
  const each = pace(method);
  return each ? tr('ui.cards.copies_and_time', {n: copies, time: lasting(copies * each)}) : tr('ui.cards.copies', {n: copies});
}

// ------------------------------------------------------------------ on and off

/** @param {Method} method @returns a checkbox that shows or hides the method's card */
export function createToggle(method) {
  const box = make('input', {type: 'checkbox', checked: state.on.has(method.key), 'data-method': method.key, onchange: () => {
    switchMethod(method, box.checked);
    if (!box.checked) stop(method);
    else if (!entryOf(method)) askRun(method);
    publish('cards-shown');
    publish('grid');
  }});
  return make('label', {}, box, method.title);
}
