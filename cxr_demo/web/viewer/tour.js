// A short way round the page, on a drawn film whose truth is known.

const TOUR = [
  ['.film', tr('Films are dropped, pasted or chosen here. The examples called phantoms are drawn by this program: what they show is known.')],
  ['.findings', tr('Each bar is the model\u2019s probability of a finding, by itself; the upright line is its operating point. A click chooses the finding that the maps explain.')],
  ['.cards', tr('Three methods say where the evidence for it lies: orange speaks for the finding, blue against it, no colour means none. Point anywhere to read all of them there.')],
  ['.looks', tr('Zoom, window, colours, contours and a wipe between two maps. Keys lists the shortcuts.')],
  ['.believe', tr('Are the maps better than chance? Do they agree? The line under each map says what the numbers support. On a drawn film you see for yourself which map misses what is there, and which line is too strict.')],
  ['#cxr-quiz', tr('Guess first hides all answers until you have given yours. That is the tour.')],
];
const tour = {at: -1};
const tourWords = make('p', {});
const tourNext = button(tr('Next'), {class: 'quiet', id: 'cxr-tour-next'}, () => tourStep(tour.at + 1));
const tourPane = make('div', {class: 'tour', role: 'dialog', 'aria-label': tr('Tour'), hidden: true}, make('div', {role: 'status'}, tourWords),
  make('div', {class: 'group'}, button(tr('Back'), {class: 'quiet'}, () => tourStep(Math.max(0, tour.at - 1))), tourNext,
    button(tr('End the tour'), {class: 'quiet', id: 'cxr-tour-end'}, () => tourStep(-1))));
const tourButton = button(tr('Tour'), {class: 'quiet', id: 'cxr-tour'}, () => {
  if (!state.film && page.phantoms.length) addBuiltIn('phantom', page.phantoms.find(item => item.finding === 'Effusion') ?? page.phantoms[0]);
  tourStep(0);
});

function tourStep(at) {
  element.querySelector('.toured')?.classList.remove('toured');
  tour.at = at < TOUR.length ? at : -1;
  tourPane.hidden = tour.at < 0;
  if (tourPane.hidden) return tourButton.focus();
  const [where, text] = TOUR[tour.at];
  say(tourWords, `${tr('{at} of {n}.', {at: tour.at + 1, n: TOUR.length})} ${text}`);
  say(tourNext, tour.at + 1 < TOUR.length ? tr('Next') : tr('Done'));
  const place = element.querySelector(where);
  place.classList.add('toured');
  place.scrollIntoView({block: 'center'});
  tourNext.focus({preventScroll: true});
}

document.addEventListener('keydown', event => { if (event.key === 'Escape' && tour.at >= 0) tourStep(-1); });
