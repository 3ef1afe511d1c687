// The button that pins the chosen finding, so that other films open with it.

import {button, setDisabled} from './dom.js';
import {tr} from './i18n.js';
import {keepFilms} from './session.js';
import {NONE, on, pinFinding, state, takesFilms} from './store.js';

/** @returns the button; null in a report, which has one film */
export function createPin() {
  if (!takesFilms()) return null;
  const isPinned = () => state.pinned === state.label;
  const pin = button(tr('ui.findings.pin'), {class: 'quiet', id: 'cxr-pin', title: tr('ui.findings.pin_hint')}, () => {
    pinFinding(isPinned() ? null : state.label);
    keepFilms();
  });
  const show = () => {
    setDisabled(pin, state.chosen === NONE);
    pin.setAttribute('aria-pressed', String(isPinned()));
  };
  for (const topic of /** @type {const} */ (['pin', 'mark', 'findings'])) on(topic, show);
  show();
  return pin;
}
