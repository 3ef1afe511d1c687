// Computations on predictions: the first finding, and the mean over films.

/** @import {Prediction} from './types.d.ts' */
import {clamp} from './geometry.js';

/** @param {Pick<Prediction, 'thresholds' | 'probabilities'>} seen @param {number} i */
export function isAbove(seen, i) {
  const threshold = seen.thresholds[i];
  return threshold !== null && seen.probabilities[i] >= threshold;
}

/** Whether the film's grey values may be wrong: the reader guessed them, or they are unusual. @param {Pick<Prediction, 'warnings'>} seen */
export const mayBeMisread = ({warnings}) => warnings.some(({id}) => id?.startsWith('warning.read.'));

/** A finding of a lower probability is not shown first, however far above its cut-off it is. */
const LEAST = 0.05;

/**
 * The finding to show first: of those that are not improbable, the one whose log odds exceed those of its cut-off by
 * the most; else the most probable one.
 * @param {Pick<Prediction, 'ranked' | 'thresholds' | 'probabilities'>} seen
 */
export function foremost({ranked, thresholds, probabilities}) {
  const margins = ranked.map(i => {
    const threshold = thresholds[i];
    return threshold === null || probabilities[i] < LEAST ? -Infinity : logit(probabilities[i]) - logit(threshold);
  });
  return ranked[margins.indexOf(Math.max(...margins))];
}

/** @param {number} p */
function logit(p) {
  const inside = clamp(p, 1e-6, 1 - 1e-6);
  return Math.log(inside / (1 - inside));
}

/** @param {readonly number[]} probabilities of one finding on several films @returns the probability of the mean of their log-odds */
export function combined(probabilities) {
  const mean = probabilities.reduce((sum, p) => sum + logit(p), 0) / probabilities.length;
  return 1 / (1 + Math.exp(-mean));
}

/** Ends of the bars' axis, which is even in log odds. */
const AXIS = [0.005, 0.95];

/** @param {number} p a probability @returns its place on the axis from 0 to 1; a bar beyond an end is drawn to the end */
export function alongAxis(p) {
  const [low, high] = AXIS.map(logit);
  return clamp((logit(p) - low) / (high - low), 0, 1);
}
