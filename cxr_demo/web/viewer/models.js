// Which model answers: one of those that the page offers, or one of the Hub that a visitor names.

const optionOf = ({name, title}) => make('option', {value: name}, title);
// The value of the last choice, which is no model yet.
const UNNAMED = '';

const models = make('select', {id: 'cxr-model', onchange: () => (models.value === UNNAMED ? openNaming() : chooseModel())},
  ...page.models.map(optionOf), page.guests ? optionOf({name: UNNAMED, title: tr('Another from the Hub\u2026')}) : null);
models.value = state.model;

function chooseModel() {
  namedRun = 0;  // what was asked for before is no longer wanted
  state.wanted = null;
  naming.hidden = true;
  leave();
  state.model = models.value;
  for (const film of state.films) if (film.source) film.error = null;  // it was that of another model
  if (state.film) choose(state.film); else askFilm(null);
  if (!current()) { state.chosen = null; showFindings(); }
}

// ------------------------------------------------------------------ one by its name

const nameField = make('input', {type: 'text', id: 'cxr-named', placeholder: 'owner/name@revision', size: 24, required: true,
  autocomplete: 'off', autocapitalize: 'off', spellcheck: 'false', 'aria-describedby': 'cxr-named-status'});
const nameStatus = make('span', {id: 'cxr-named-status', class: 'status', role: 'status'});
const naming = make('form', {class: 'naming', hidden: true, 'aria-label': tr('A model of the Hugging Face Hub'), onsubmit: event => {
  event.preventDefault();
  askNamed();
}}, make('label', {for: 'cxr-named'}, tr('From the Hub')), nameField, make('button', {class: 'quiet'}, tr('Use')), button(tr('Close'), {class: 'quiet'}, () => closeNaming()), nameStatus);
let namedRun = 0;  // the question whose answer is waited for; 0 for none

naming.addEventListener('keydown', event => {
  if (event.key !== 'Escape') return;
  event.stopPropagation();
  closeNaming();
});

// The model that was shown stays until another is there.
function openNaming() {
  models.value = state.model;
  naming.hidden = false;
  nameField.focus();
}

function closeNaming() {
  namedRun = 0;
  saysOfName('');
  if (naming.contains(document.activeElement)) models.focus();
  naming.hidden = true;
}

function saysOfName(words, wrong = false) {
  say(nameStatus, words);
  nameStatus.classList.toggle('early', wrong);
  nameField.setAttribute('aria-invalid', String(wrong));
}

function askNamed() {
  namedRun = state.run += 1;
  saysOfName(tr('Fetching the model\u2026'));
  trigger(EVENTS.named, {run: namedRun, model: nameField.value.trim()});
}

function heardNamed({run, choice, error}) {
  if (!namedRun || run !== namedRun) return;
  namedRun = 0;
  if (error) {
    saysOfName(told(error), true);
    if (state.film?.busy && !asked.size) choose(state.film);  // after a reload: the page's own model, until it is there
    return;
  }
  if (!page.models.some(model => model.name === choice.name)) {
    page.models.push(choice);
    models.lastChild.before(optionOf(choice));
    gridModels.append(boxOf(choice));
  }
  models.value = choice.name;
  closeNaming();
  chooseModel();
}
