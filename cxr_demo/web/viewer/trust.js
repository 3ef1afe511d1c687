// Measures from the server of how far complete maps can be trusted: a panel on each map, and one on their agreement.

/** @import {Answer, Curves, Measured, MethodTrust, Overlay, Result, Trust} from './types.d.ts' */
import {coloursNow, filmAt, fit, hatch} from './canvas.js';
import {shade} from './colours.js';
import {curvesBlock} from './curves.js';
import {make, penOf, present, refill, setText, makeTable} from './dom.js';
import {frame, within} from './geometry.js';
import {readable, say, tr} from './i18n.js';
import {inflate} from './maps.js';
import {figure, share} from './numbers.js';
import {waiting} from './progress.js';
import {scoresOf} from './reliability.js';
import {changePart, current, on, publish, setTrust, state, titleOf} from './store.js';

/** @returns the two panels */
export function createTrust() {
  const [reliable, agree] = [panel(tr('ui.trust.title')), panel(tr('ui.trust.agree'))];
  const show = () => {
    const found = current()?.trust ?? null;
    for (const {node, status} of [reliable, agree]) {
      node.dataset.state = found?.state ?? 'idle';
      setText(status, trustWords(found));
    }
    overlay = null;
    refill(reliable.measures, found?.methods ? [curvesBlock(found), placesBlock(found)] : [], reliable.node);
    agree.measures.replaceChildren(...(found?.methods ? [agreementBlock(found)] : []).filter(present));
    requestAnimationFrame(drawOverlay);
    publish('tables');
    publish('scramble');
  };
  on('trust', show);
  on('film', show);
  on('draw', drawOverlay);
  on('drawer', drawOverlay);
  return {reliable: reliable.node, agree: agree.node};
}

/** @param {string} title */
function panel(title) {
  const measures = make('div', {class: 'blocks'});
  const status = make('span', {class: 'soft', role: 'status'});
  return {node: make('div', {class: 'believe'}, make('header', {}, make('h3', {}, title), status), measures), measures, status};
}

/** @param {Answer} answer */
export function heardTrust(answer) {
  const result = current();
  const trust = result?.trust;
  if (!trust || trust.run !== answer.run || answer.busy) return;
  if (answer.ahead !== undefined) {
    changePart(trust, {ahead: answer.ahead, wait: answer.wait});
  } else if (answer.stopped) {
    setTrust(result, null);
  } else {
    changePart(trust, {ahead: null, ...answer, state: answer.error ? 'stopped' : 'done'});
    if (answer.curves) takeMeasured(result, trust, answer.finding ?? 0, answer.curves, answer);
  }
  publish('trust');
}

/**
 * Curves, overlay and origin of one finding; those of the others stay.
 * @param {Result} result @param {Trust} trust @param {number} i @param {Curves} curves @param {Answer} packed
 */
async function takeMeasured(result, trust, i, curves, {overlay, origin}) {
  /** @type {(to: Trust, own: Measured) => void} */
  const keep = (to, own) => changePart(to, {measured: new Map(to.measured).set(i, own)});
  const own = {curves, overlay: null, origin: null};
  keep(trust, own);
  const [planes, values] = await Promise.all([overlay, origin].map(async one => new Int8Array(one ? await inflate(one.data) : [])));
  // it may have been asked again meanwhile, which keeps what is measured
  if (result.trust?.measured.get(i) !== own) return;
  keep(result.trust, {curves, overlay: overlay ? {side: overlay.side, planes} : null, origin: origin ? {...origin, values} : null});
  publish('trust');
  publish('cards');
}

/** @param {Trust | null} found @returns the measures' progress */
export function trustWords(found) {
  if (found?.error) return say(found.error);
  if (found?.state === 'running') return waiting(found) ?? tr('ui.trust.measuring');
  return found?.state === 'done' ? tr('ui.trust.measured_in', {seconds: figure(found.seconds, 1)}) : tr('ui.trust.not_yet');
}

// ------------------------------------------------------------------ agreement

/** @type {(() => void) | null} Redraw function of the picture of agreement, called when the view changes. */
let overlay = null;
const drawOverlay = () => overlay?.();

/** @param {Trust} found */
function agreementBlock(found) {
  const pairs = found.agreement ?? [];
  if (!pairs.length) return null;
  const i = state.chosen;
  const rows = pairs.map(pair => /** @type {const} */ ([tr('ui.trust.pair', {one: titleOf(pair.pair[0]), other: titleOf(pair.pair[1])}),
    [cell(figure(pair.rank[i])), cell(figure(pair.rankOthers[i]), 'soft'), cell(share(pair.top[i])), cell(share(pair.topOthers[i]), 'soft')]]));
  const heads = [tr('ui.trust.rank'), tr('ui.trust.other_findings'), tr('ui.trust.top'), tr('ui.trust.other_findings')];
  const own = found.measured.get(i)?.overlay;
  return make('div', {class: 'block'},
    make('div', {class: 'beside'}, makeTable(heads, rows), own ? overlayOf(own) : null),
    make('p', {class: 'soft'}, tr('ui.trust.agree_hint'), ' ',
      tr('ui.trust.agree_wrong')));
}

/** @param {string} text @param {string} [kind] */
const cell = (text, kind) => make('td', kind ? {class: kind} : {}, text);

/** @param {Overlay} own */
function overlayOf(own) {
  const canvas = make('canvas', {role: 'img',
    'aria-label': tr('ui.trust.overlay')});
  overlay = () => {
    const result = current();
    if (result && canvas.isConnected) drawAgreement(canvas, result, own);
  };
  return make('div', {class: 'stage small'}, canvas);
}

/** @param {HTMLCanvasElement} canvas @param {Result} result @param {Overlay} own */
function drawAgreement(canvas, result, {side, planes}) {
  fit(canvas, result.image);
  const [agreed, conflict] = [planes.subarray(0, side ** 2), planes.subarray(side ** 2)];
  const pixels = new ImageData(side, side);
  const stops = Object.values(coloursNow()).find(scale => scale[0][0] < 0) ?? [];
  for (let k = 0; k < side ** 2; k++) {
    const [a, c] = [agreed[k] / 127, conflict[k] / 127];
    pixels.data.set(c > Math.abs(a) ? [150, 40, 200, 255 * c] : [...shade(stops, a), 255 * Math.abs(a)], 4 * k);
  }
  const small = make('canvas', {width: side, height: side});
  penOf(small).putImageData(pixels, 0, 0);
  const pen = penOf(canvas);
  const {crop} = result.seen.film;
  const {left, top, width, height} = within(frame(canvas, state.view), crop);
  pen.drawImage(filmAt(result, canvas.width, canvas.height, state.view), 0, 0);
  pen.drawImage(small, left, top, width, height);
  hatch(pen, canvas, crop, state.view);
}

// ------------------------------------------------------------------ where the evidence lies

/** @param {Trust} found */
function placesBlock(found) {
  const i = state.chosen;
  const marker = found.marker ?? [];
  const labels = current()?.seen.labels ?? [];
  const methods = Object.entries(found.methods ?? {});
  /** @param {string[]} heads @param {(m: MethodTrust) => HTMLTableCellElement[]} cells */
  const tableOf = (heads, cells) => makeTable(heads, methods.map(([key, m]) => /** @type {const} */ ([titleOf(key), cells(m)])));
  const lungsArea = share(1 - (found.lungs_area ?? 0));
  const predictions = tableOf([tr('ui.cards.predicts'), tr('ui.trust.lungs'), tr('ui.trust.limit'), tr('ui.trust.stability')], m => {
    const {score, lungs, limit} = scoresOf(m, i);
    return [cell(figure(score)), cell(figure(lungs), 'soft'), cell(figure(limit), 'soft'), cell(figure(m.stability[i]))];
  });
  const places = tableOf([tr('ui.trust.outside_lungs', {share: lungsArea}), tr('ui.trust.at_border'), tr('ui.trust.sum')], m => {
    const sum = m.sum[i] === null ? '\u2013' : tr('ui.trust.sum_of', {sum: figure(m.sum[i]), expected: figure(m.expected_sum[i])});
    return [cell(share(m.outside_lungs[i])), cell(share(m.at_border[i])), cell(sum, 'whole')];
  });
  const order = marker.map((_, k) => k).sort((a, b) => marker[b] - marker[a]);
  const most = order.slice(0, 3).map(k => `${readable(labels[k])} ${figure(marker[k])}`).join(', ');
  return make('div', {class: 'block'},
    make('h4', {}, tr('ui.trust.measures')),
    make('div', {class: 'beside'}, predictions, places),
    ...methods.map(([key, m]) => make('p', {class: 'verdict'}, make('b', {}, titleOf(key)), ' ', m.says[i].map(say).join(' '))),
    make('p', {class: 'soft'}, tr('ui.trust.key'), ' ', found.measured.get(i)?.origin ? tr('ui.trust.origin') : ''),
    make('p', {class: 'soft'}, found.planted && say(found.planted), ' ', found.lungs && say(found.lungs), ' ',
      tr('ui.trust.marker', {value: figure(marker[i]), most})));
}
