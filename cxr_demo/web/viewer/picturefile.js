// Saves one map as a PNG: the film at full resolution with the card's colours, and a caption below.

/** @import {Entry, Maps, Method, Result, Settings, Stops} from './types.d.ts' */
import {stem} from './boxtables.js';
import {WHOLE, forgetPictures, picture, stopsOf} from './canvas.js';
import {cover, shade} from './colours.js';
import {nameOf, otherShown, slugOf} from './difference.js';
import {download, make, penOf} from './dom.js';
import {readable, say, tr} from './i18n.js';
import {anyUnsure} from './maps.js';
import {percent, sentenceCase, signed} from './numbers.js';
import {levelsOf, wholeFilm} from './pixels.js';
import {current, entryOf, isBusy, state} from './store.js';
import {boxesOf, plantedEdges} from './truth.js';
import {words} from './progress.js';
import {measuresOf} from './quality.js';
import {reliabilityOf} from './reliability.js';
import {wrapped} from './wrapping.js';

/** @typedef {{title: string, ticks: string[], notes: string[]}} Caption */

/** @param {Method} method @param {Maps} maps @param {number} limit value with full colour */
export async function savePicture(method, maps, limit) {
  const result = current();
  const {label, chosen: i} = state;
  const other = otherShown();
  const stops = stopsOf(method);
  await wholeFilm();
  if (!result || result !== current()) return;  // another film was opened meanwhile
  const [{width, height}] = levelsOf(result);
  const drawn = make('canvas', {width, height});
  picture(drawn, result, {maps, limit, stops}, {view: WHOLE, i});
  forgetPictures(result.film);
  const whole = captioned(drawn, stops, captionOf(method, result, maps, {i, label, other}, limit, stops));
  const name = `${stem(result.seen.film.name)}-${method.key}-${other === null ? label : `${label}-rather-than-${slugOf(other)}`}.png`;
  whole.toBlob(blob => { if (blob) download(blob, name); });
}

/**
 * @param {Method} method @param {Result} result @param {Maps} maps
 * @param {{i: number, label: string, other: string | null}} shown the finding, and the one whose map is taken off
 * @param {number} limit @param {Stops} stops @returns {Caption}
 */
function captionOf(method, result, maps, {i, label, other}, limit, stops) {
  const {film, seen} = result;
  const {levels, page, smooth, spec} = state;
  const entry = entryOf(method);
  const about = {method: method.title, finding: readable(label), p: percent(seen.probabilities[i])};
  const percents = levels.map(share => Math.round(100 * share)).join(', ');
  return {
    title: other === null ? tr('ui.picture.title', about)
      : seen.labels.includes(other) ? tr('ui.picture.title_of_difference', {...about, other: nameOf(other), q: percent(seen.probabilities[seen.labels.indexOf(other)])})
        : tr('ui.picture.title_of_odds', {...about, other: nameOf(other)}),
    ticks: stops[0][0] < 0 ? [tr('ui.picture.against', {value: signed(-limit)}), '0', tr('ui.picture.for', {value: signed(limit)})]
      : ['0', signed(limit / 2, limit), signed(limit)],
    notes: [tr('ui.picture.colours', {unit: method.unit.title}), anyUnsure(maps, i) ? tr('ui.picture.unsure') : '',
      boxesOf(label).length ? tr('ui.picture.boxes') : '',
      plantedEdges(film, label).length ? tr('ui.picture.planted') : '',
      levels.length ? tr('ui.picture.contours', {levels: percents}) : '',
      maps.blurred || smooth ? tr('ui.picture.blurred') : '',
      entry?.settings && method.settings.length ? tr('ui.picture.settings', {settings: settingsSaid(method, entry.settings)}) : '',
      ...(other === null ? measuresOf(entry, i).map(({said}) => sentenceCase(said)) : []),
      entry && entry.state !== 'done' ? unfinished(entry) : '',
      (other === null ? reliabilityOf(method, result, i)?.short : '') ?? '',
      ...seen.warnings.map(warning => `\u26a0 ${say(warning)}`), tr('ui.picture.model', {name: spec.revision}), tr('ui.picture.file', {name: seen.film.name}),
      page.notice].filter(Boolean)};
}

/** @param {Entry} entry */
function unfinished(entry) {
  const [done, n] = entry.steps ?? [0, 0];
  return isBusy(entry) ? tr('ui.progress.map_of_copies', {done, n}) : words(entry);
}

/** @param {Method} method @param {Settings} settings */
const settingsSaid = ({settings: declared}, settings) => declared.map(({name, title, choices}) =>
  `${title} ${choices.find(({key}) => key === settings[name])?.title ?? settings[name]}`).join(', ');

/** A picture with a caption strip below it, as in `render.captioned`. @param {HTMLCanvasElement} drawn @param {Stops} stops @param {Caption} caption */
function captioned(drawn, stops, {title, ticks, notes}) {
  const {width, height} = drawn;
  const size = Math.max(11, Math.round(width / 56));
  const [margin, leading] = [Math.floor(size / 2), Math.round(1.4 * size)];
  const inner = width - 2 * margin;
  const [bold, plain] = [`bold ${size}px sans-serif`, `${size}px sans-serif`];
  const ruler = rulerOf(inner);
  const head = ruler.lines(title, bold);
  const values = ruler.lines(ticks.join(' '), plain).length > 1 || ruler.widest(ticks.join(' '), plain) > inner * 0.8
    ? ruler.lines(ticks.join(' \u00b7 '), plain) : null;
  const foot = notes.flatMap(note => ruler.lines(note, plain));
  const strip = 2 * margin + size + leading * (head.length + (values?.length ?? 1) + foot.length);
  const whole = make('canvas', {width, height: height + strip});
  const pen = penOf(whole);
  pen.drawImage(drawn, 0, 0);
  pen.fillStyle = 'white';
  pen.fillRect(0, height, width, strip);
  let y = height + margin;
  /** @type {(line: string, font: string, x?: number, align?: CanvasTextAlign) => void} */
  const write = (line, font, x = margin, align = 'left') => {
    Object.assign(pen, {font, fillStyle: 'rgb(32 32 32)', textAlign: align});
    pen.fillText(line, x, y + size);
  };
  for (const line of head) { write(line, bold); y += leading; }
  drawScale(pen, stops, {left: margin, top: y, width: inner, height: size});
  y += size;
  if (values) for (const line of values) { write(line, plain); y += leading; }
  else {
    const aligned = /** @type {const} */ (['left', 'center', 'right']);
    ticks.forEach((tick, k) => write(tick, plain, margin + inner * k / 2, aligned[k]));
    y += leading;
  }
  for (const line of foot) { write(line, plain); y += leading; }
  return whole;
}

/** @param {number} inner width */
function rulerOf(inner) {
  const pen = penOf(make('canvas'));
  /** @type {(text: string, font: string) => string[]} */
  const lines = (text, font) => {
    pen.font = font;
    return wrapped(text, inner, part => pen.measureText(part).width);
  };
  /** @type {(text: string, font: string) => number} */
  const widest = (text, font) => Math.max(...lines(text, font).map(line => pen.measureText(line).width));
  return {lines, widest};
}

/** Draws the colour scale over middle grey. @param {CanvasRenderingContext2D} pen @param {Stops} stops @param {import('./types.d.ts').Frame} place */
function drawScale(pen, stops, {left, top, width, height}) {
  const low = stops[0][0];
  for (let x = 0; x < width; x++) {
    const t = low + (1 - low) * (x + 0.5) / width;
    const part = cover(t, state.side, state.opacity);
    pen.fillStyle = `rgb(${shade(stops, t).map(level => Math.round(level * part + 127.5 * (1 - part))).join(' ')})`;
    pen.fillRect(left + x, top, 1, height);
  }
}
