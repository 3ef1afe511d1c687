// Weight randomisation: maps of the model with permuted weights (Adebayo et al. 2018), beside the original ones.

/** @import {Answer, Maps, Method, Result, ScrambledMap} from './types.d.ts' */
import {fit, picture, stopsOf} from './canvas.js';
import {button, make, setDisabled, setText} from './dom.js';
import {say, tr} from './i18n.js';
import {unpacked} from './maps.js';
import {figure} from './numbers.js';
import {waiting} from './progress.js';
import {askScramble} from './requests.js';
import {changePart, current, finished, isExample, methodOf, on, publish, state, titleOf} from './store.js';

/** @type {(() => void)[]} Redraw functions of its pictures, called when the view changes. */
let draws = [];
const drawAll = () => draws.forEach(redraw => redraw());

export function createScramble() {
  const depth = make('select', {id: 'cxr-depth'}, ...state.page.depths.map(({key, title}) => make('option', {value: key}, title)));
  const run = button(tr('ui.scramble.run'), {class: 'quiet', id: 'cxr-scramble'}, () => askScramble(depth.value));
  const status = make('span', {class: 'soft', role: 'status'});
  const maps = make('div', {class: 'smalls'});
  const block = make('div', {class: 'block scrambling'},
    make('h4', {}, tr('ui.scramble.title')),
    make('p', {class: 'soft'}, tr('ui.scramble.hint')),
    make('div', {class: 'group'}, make('label', {for: 'cxr-depth'}, tr('ui.scramble.permute')), depth, run, status), maps);
  on('scramble', () => {
    const scramble = current()?.scramble;
    setDisabled(run, scramble?.state === 'running' || !finished().length || isExample());
    block.dataset.state = scramble?.state ?? 'idle';
    setText(status, statusOf());
    showMaps(maps);
  });
  on('draw', drawAll);
  return block;
}

/** @param {Answer} answer */
export async function heardScramble(answer) {
  const scramble = current()?.scramble;
  if (!scramble || scramble.run !== answer.run) return;
  changePart(scramble, {ahead: answer.ahead, wait: answer.wait});
  if (answer.ahead === undefined && !answer.busy) {
    if (answer.error && !answer.method) changePart(scramble, {state: 'stopped', error: answer.error});
    else if (answer.complete) changePart(scramble, {state: 'done'});
    else {
      const maps = answer.maps ? await unpacked(answer.maps) : null;
      const own = {kept: answer.kept, error: answer.error, maps};
      changePart(scramble, {maps: new Map(scramble.maps).set(answer.method ?? '', own)});
    }
  }
  publish('scramble');
}

function statusOf() {
  if (isExample()) return tr('ui.scramble.not_of_example');
  const scramble = current()?.scramble;
  if (scramble?.error) return say(scramble.error);
  return scramble?.state === 'running' ? waiting(scramble) ?? tr('ui.scramble.running') : '';
}

/** @param {HTMLElement} place */
function showMaps(place) {
  const result = current();
  draws = [];
  place.replaceChildren(...[...(result?.scramble?.maps ?? [])].map(([key, found]) => figureOf(/** @type {Result} */ (result), key, found)));
  requestAnimationFrame(drawAll);
}

/** @param {Result} result @param {string} key @param {ScrambledMap} found */
function figureOf(result, key, {kept: similarities, error, maps}) {
  const kept = similarities?.[state.chosen] ?? null;
  const method = methodOf(key);
  return make('figure', {class: kept !== null && kept >= state.page.stays ? 'stays' : null}, maps && method && stageOf(result, method, maps),
    make('figcaption', {}, make('b', {}, titleOf(key)), ` ${error ? say(error) : verdictOf(kept)}`));
}

/** @param {Result} result @param {Method} method @param {Maps} maps */
function stageOf(result, method, maps) {
  const canvas = make('canvas', {role: 'img', 'aria-label': tr('ui.scramble.map_of', {method: method.title})});
  draws.push(() => {
    if (!canvas.isConnected || result !== current()) return;
    fit(canvas, result.image);
    picture(canvas, result, {maps, limit: maps.limit[state.chosen], stops: stopsOf(method)});
  });
  return make('div', {class: 'stage small'}, canvas);
}

/** @param {number | null} kept correlation with the original map */
function verdictOf(kept) {
  if (kept === null) return tr('ui.scramble.empty');
  return kept >= state.page.stays ? tr('ui.scramble.stays', {value: figure(kept)}) : tr('ui.scramble.changes', {value: figure(kept)});
}
