// Answers the viewer's requests from recorded data instead of the server: in an HTML report, and about the page's example.

/** @import {Answers, BuiltIn, Host} from './types.d.ts' */

/** @param {Answers} answers @param {string} channel the DOM event that carries answers @returns {Host['trigger']} */
export const replaying = (answers, channel) => (event, {turn, run}) => {
  const answer = answers[event];
  if (answer) queueMicrotask(() => document.dispatchEvent(new CustomEvent(channel, {detail: {...answer, turn, run}})));
};

/** @param {string} channel @returns {{host: Host, label: string, film: BuiltIn}} the recorded host, the first finding, and the film */
export function readRecorded(channel) {
  const recorded = JSON.parse(document.getElementById('recorded')?.textContent ?? '');
  const host = {element: /** @type {HTMLElement} */ (document.getElementById('viewer')), props: {about: recorded.about},
    trigger: replaying(recorded.answers, channel), upload: () => Promise.reject(new Error('There is no server.'))};
  return {host, label: recorded.label, film: {title: recorded.name, key: '', boxes: recorded.boxes}};
}
