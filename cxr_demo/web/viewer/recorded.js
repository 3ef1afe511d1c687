// A film and all answers about it, in a file of its own: what the viewer would ask the server was asked before.

/** @import {BuiltIn, Host} from './types.d.ts' */

/** @param {string} channel @returns {{host: Host, label: string, film: BuiltIn}} and with which finding the film opens */
export function readRecorded(channel) {
  const recorded = JSON.parse(document.getElementById('recorded')?.textContent ?? '');
  /** @type {Host['trigger']} */
  const trigger = (event, {turn, run}) => {
    const answer = recorded.answers[event];
    if (answer) queueMicrotask(() => document.dispatchEvent(new CustomEvent(channel, {detail: {...answer, turn, run}})));
  };
  const host = {element: /** @type {HTMLElement} */ (document.getElementById('viewer')), props: {about: recorded.about},
    trigger, upload: () => Promise.reject(new Error('There is no server.'))};
  return {host, label: recorded.label, film: {title: recorded.name, key: '', boxes: recorded.boxes}};
}
