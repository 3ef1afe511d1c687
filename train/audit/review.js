// Buttons, keys and filters say what was meant; the server answers with the next screen.
const KEYS = {a: 'accept', r: 'reject', s: 'skip', u: 'undo', ArrowRight: 'accept', ArrowLeft: 'reject', ArrowDown: 'skip', ArrowUp: 'undo'};
let waiting = false;

function say(what) {
  if (waiting) return;  // until the next film is seen, nothing can be said of it
  waiting = true;
  element.classList.add('waiting');
  const choice = name => element.querySelector(`select.${name}`).value;
  trigger('said', {what, at: Number(element.querySelector('main').dataset.at ?? -1), finding: choice('finding'), label: choice('label')});
}

function answered() {
  waiting = false;
  element.classList.remove('waiting');
}

watch('value', answered);
document.addEventListener('review-failed', answered);
element.addEventListener('click', event => {
  const button = event.target.closest('button[data-what]');
  if (button && !button.disabled) say(button.dataset.what);
});
element.addEventListener('change', () => say('choose'));
document.addEventListener('keydown', event => {
  if (event.repeat || event.ctrlKey || event.altKey || event.metaKey || event.target.closest('select, input, textarea')) return;
  const button = element.querySelector(`button[data-what=${KEYS[event.key] ?? KEYS[event.key.toLowerCase()] ?? 'none'}]`);
  if (!button || button.disabled) return;
  event.preventDefault();
  say(button.dataset.what);
});
