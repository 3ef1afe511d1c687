// Progress of a run in words.

/** @import {Entry, Method, Progress} from './types.d.ts' */
import {say, tr} from './i18n.js';
import {lasting} from './numbers.js';
import {entryOf, isBusy, state} from './store.js';

/** A run of no more forward passes spent much of its time on other things. */
const FEW = 8;

/** @param {Progress} progress @returns the number of runs ahead and the estimated wait in words; null if it runs */
export function waiting({ahead, wait}) {
  if (ahead === null || ahead === undefined) return null;
  const turn = ahead ? tr('ui.progress.waiting', {n: ahead}) : tr('ui.progress.waiting_next');
  return wait ? tr('ui.progress.turn_and_time', {turn, time: lasting(wait)}) : turn;
}

/** @param {Pick<Entry, 'state' | 'since' | 'latest'> & Progress} entry */
export function words({state: now, error, stopped, steps: [done, total] = [0, 0], forwards, ahead, wait, since, latest}) {
  const why = error ?? stopped;
  if (why && now === 'done') return `${say(why)} ${tr('ui.progress.earlier_map')}`;
  if (error) return say(error);
  if (stopped) return `${say(stopped)} ${forwards ? tr('ui.progress.map_of_copies', {done, n: total}) : tr('ui.progress.no_map')}`;
  if (now === 'stopping') return tr('ui.progress.stopping');
  if (now === 'done' || now === 'stopped') return '';
  return waiting({ahead, wait}) ?? (total ? altered(since, latest, done, total) : tr('ui.progress.starting'));
}

/**
 * Remaining time at the pace between the first scored copies and the latest, since the time to the first map includes
 * preparations.
 * @param {Entry['since']} since @param {Entry['latest']} latest @param {number} done @param {number} total
 */
function altered(since, latest, done, total) {
  if (!since || !latest || latest.done <= since.done) return tr('ui.progress.copies', {done, n: total});
  const each = (latest.at - since.at) / (latest.done - since.done);
  const left = each * (total - latest.done) - (performance.now() - latest.at);
  return left <= 0 ? tr('ui.progress.copies', {done, n: total}) : tr('ui.progress.copies_and_time', {done, n: total, time: lasting(left / 1000)});
}

/** @param {Method} method @returns recent seconds per copy, of this method or else of another that costs about as much */
export function pace(method) {
  const alike = state.page.methods.filter(({cost}) => cost === method.cost);
  const ran = [method, ...alike].map(entryOf).find(entry => !isBusy(entry) && (entry?.forwards ?? 0) > FEW);
  return ran?.forwards && ran.seconds !== undefined ? ran.seconds / ran.forwards : null;
}
