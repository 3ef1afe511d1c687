// Replaces the server in an HTML report: answers the viewer's requests from recorded data.

/** @import {BuiltIn, Host} from './types.d.ts' */

/** @param {string} channel @returns {{host: Host, label: string, film: BuiltIn}} the recorded host, the first finding, and the film */
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
