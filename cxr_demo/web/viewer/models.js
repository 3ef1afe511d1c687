// Choice of the model: one that the page offers, a failure case's own, or one of the Hub that the visitor names.

/** @import {Answer, Choice} from './types.d.ts' */
import {choose, chooseModel} from './actions.js';
import {button, make, setText} from './dom.js';
import {createFacts} from './facts.js';
import {say, tr} from './i18n.js';
import {askNamed} from './requests.js';
import {addModel, on, publish, setNaming, state, wantModel} from './store.js';
import {lessonOf} from './truth.js';

/** The value of the list's last entry, which opens the form. */
const UNNAMED = '';

/** @typedef {ReturnType<typeof createForm>} Form */

/** @returns the list of models, their facts, the line about an unavailable one, and the form for one of the Hub (null if not offered) */
export function createModels() {
  const list = make('select', {id: 'cxr-model', onchange: () => {
    if (list.value !== UNNAMED) return chooseModel(list.value);
    list.value = state.model;  // the current model stays until the other has loaded
    openForm(form);
  }});
  const form = createForm(list);
  const show = () => {
    list.replaceChildren(...offered());
    list.value = state.model;
  };
  const problem = make('p', {class: 'status early', id: 'cxr-model-problem', role: 'status'});
  on('note', name => { if (name === 'model') setText(problem, state.notes.model); });
  on('model', show);
  on('naming', () => { form.node.hidden = true; });
  show();
  return {list, facts: createFacts(), form, problem, node: state.page.guests ? form.node : null};
}

/** Fills the list; a failure case's model is in it while its film is open. */
function offered() {
  const lesson = state.film && lessonOf(state.film)?.model;
  /** @type {(choice: Choice) => HTMLOptionElement} */
  const option = ({name, title}) => make('option', {value: name}, title);
  return [...(lesson ? [make('option', {value: lesson.name, 'data-lesson': true}, lesson.title)] : []), ...state.models.map(option),
    ...(state.page.guests ? [option({name: UNNAMED, title: tr('ui.models.another')})] : [])];
}

// ------------------------------------------------------------------ one by its name

/** @param {HTMLSelectElement} list that gets the focus when the form closes */
function createForm(list) {
  const field = make('input', {type: 'text', id: 'cxr-named', placeholder: 'owner/name@revision', size: 24, required: true,
    autocomplete: 'off', autocapitalize: 'off', spellcheck: 'false', 'aria-describedby': 'cxr-named-status'});
  const status = make('span', {id: 'cxr-named-status', class: 'status', role: 'status'});
  const node = make('form', {class: 'naming', hidden: true, 'aria-label': tr('ui.models.title'),
    onsubmit: (/** @type {Event} */ event) => { event.preventDefault(); askFor(form); },
    onkeydown: (/** @type {KeyboardEvent} */ event) => {
      if (event.key !== 'Escape') return;
      event.stopPropagation();
      closeForm(form);
    }}, make('label', {for: 'cxr-named'}, tr('ui.models.from_hub')), field, make('button', {class: 'quiet'}, tr('ui.models.use')),
  button(tr('ui.common.close'), {class: 'quiet'}, () => closeForm(form)), status);
  const form = {node, field, status, list};
  return form;
}

/** @param {Form} form */
function openForm({node, field}) {
  /** @type {HTMLElement | null} */ (document.querySelector('.popover:popover-open'))?.hidePopover();  // on a telephone the list is in the menu
  node.hidden = false;
  field.focus();
}

/** @param {Form} form */
function closeForm(form) {
  setNaming(0);
  showStatus(form, '');
  if (form.node.contains(document.activeElement)) (form.list.checkVisibility() ? form.list : document.getElementById('cxr-menu'))?.focus();
  form.node.hidden = true;
}

/** @param {Form} form @param {string} words @param {boolean} [wrong] */
function showStatus({status, field}, words, wrong = false) {
  setText(status, words);
  status.classList.toggle('early', wrong);
  field.setAttribute('aria-invalid', String(wrong));
}

/** @param {Form} form */
function askFor(form) {
  showStatus(form, tr('ui.models.fetching'));
  askNamed(form.field.value.trim());
}

/** Loads a model of the Hub again after a reload of the page. @param {Form} form @param {string} name */
export function askAgain(form, name) {
  wantModel(name);
  form.field.value = name;
  publish('film');
  openForm(form);
  askFor(form);
}

/** @param {Form} form @param {Answer} answer */
export function heardNamed(form, {run, choice, error}) {
  if (!state.naming || run !== state.naming) return;
  setNaming(0);
  if (error || !choice) {
    showStatus(form, error ? say(error) : '', true);
    if (state.film?.busy && !state.asked.size) choose(state.film);  // after a reload the page's default model answers until it has loaded
    return;
  }
  if (!state.models.some(model => model.name === choice.name)) addModel({name: choice.name, title: say(choice.title)});
  form.list.value = choice.name;
  closeForm(form);
  chooseModel(choice.name);
}
