// Charts of deletion and insertion: the score while the highest-ranked cells of a map are covered, or shown, first.

/** @import {Curves, Line, Trust} from './types.d.ts' */
import {LINES} from './colours.js';
import {button, make, shape} from './dom.js';
import {readable, tr} from './i18n.js';
import {figure} from './numbers.js';
import {askTrust} from './requests.js';
import {current, state, titleOf} from './store.js';

/** @type {Readonly<Record<string, {title: () => string, dash: string, border: string}>>} Controls that maps are compared with. */
const CONTROLS = {
  random: {title: () => tr('ui.curves.random_map'), dash: '2 3', border: 'dotted'},
  lungs: {title: () => tr('ui.curves.lungs_alone'), dash: '7 3', border: 'dashed'},
};

/** A method's colour, the same on every chart. @param {string} key */
const colourOf = key => LINES[Math.max(0, state.page.methods.findIndex(method => method.key === key)) % LINES.length];
/** @param {string} name */
const nameOf = name => CONTROLS[name]?.title() ?? titleOf(name);

/** @param {Trust} found */
export function curvesBlock(found) {
  const stale = !found.measured.has(state.chosen);
  const i = stale ? found.finding ?? 0 : state.chosen;
  const curves = found.measured.get(i)?.curves;
  const labels = current()?.seen.labels ?? [];
  if (!curves) return null;
  return make('div', {class: 'block curves'},
    stale ? button(tr('ui.curves.measure', {finding: readable(labels[state.chosen])}), {class: 'quiet measure'}, () => askTrust(true)) : null,
    make('h4', {}, tr('ui.curves.title', {finding: readable(labels[i])})),
    make('p', {class: 'soft'}, tr('ui.curves.what_it_is'), ' ',
      tr('ui.curves.gap_is')),
    make('div', {class: 'charts'},
      chart(tr('ui.curves.deletion'), tr('ui.curves.deletion_hint'), curves, 'deletion'),
      chart(tr('ui.curves.insertion'), tr('ui.curves.insertion_hint'), curves, 'insertion')),
    legend(curves));
}

const [WIDTH, HEIGHT, LEFT, RIGHT, BOTTOM, ABOVE] = [330, 190, 40, 14, 24, 8];

/** @param {string} title @param {string} hint @param {Curves} curves @param {'deletion' | 'insertion'} kind */
function chart(title, hint, curves, kind) {
  const values = curves.lines.flatMap(line => [...line.deletion, ...line.insertion]);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  /** @param {number} t */
  const x = t => LEFT + t * (WIDTH - LEFT - RIGHT);
  /** @param {number} v */
  const y = v => ABOVE + (1 - (v - low) / (high - low || 1)) * (HEIGHT - ABOVE - BOTTOM);
  const words = curves.lines.map(line => tr('ui.curves.from_to',
    {name: nameOf(line.name), first: figure(line[kind][0]), last: figure(line[kind][line[kind].length - 1])}));
  const plot = shape('svg', {viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: 'img', 'aria-label': `${title}: ${words.join(', ')}`});
  for (const t of [0, 0.25, 0.5, 0.75, 1]) {
    plot.append(shape('line', {x1: x(t), x2: x(t), y1: ABOVE, y2: HEIGHT - BOTTOM, class: 'grid'}),
      shape('text', {x: x(t), y: HEIGHT - 8, 'text-anchor': 'middle'}, `${100 * t}`));
  }
  for (const v of [low, (low + high) / 2, high]) {
    plot.append(shape('line', {x1: LEFT, x2: WIDTH - RIGHT, y1: y(v), y2: y(v), class: 'grid'}),
      shape('text', {x: LEFT - 4, y: y(v) + 4, 'text-anchor': 'end'}, figure(v, 1)));
  }
  plot.append(...curves.lines.map(line => lineOf(line, curves.shares.map((t, j) => `${x(t)},${y(line[kind][j])}`).join(' '))));
  return make('figure', {}, make('figcaption', {}, make('b', {}, title), ` ${hint}`), plot);
}

/** @param {Line} line @param {string} points */
function lineOf({name}, points) {
  const control = CONTROLS[name];
  return shape('polyline', {points, 'data-line': name, fill: 'none', 'stroke-width': control ? 1.6 : 2.2,
    stroke: control ? 'currentColor' : colourOf(name), 'stroke-dasharray': control?.dash ?? ''});
}

/** @param {Curves} curves */
function legend(curves) {
  /** @param {string} name */
  const border = name => CONTROLS[name] ? `2px ${CONTROLS[name].border} currentColor` : `3px solid ${colourOf(name)}`;
  return make('ul', {class: 'legend'}, ...curves.lines.map(line => make('li', {},
    make('i', {style: `border-top: ${border(line.name)}`}),
    tr('ui.curves.gap', {name: nameOf(line.name), value: figure(line.gap)}))));
}
