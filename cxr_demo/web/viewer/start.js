// Puts the page together; comes last.

// ------------------------------------------------------------------ the page

const dark = button('\u25d0', {class: 'quiet', id: 'cxr-dark', 'aria-label': tr('Switch between light and dark'), title: tr('Light / dark')},
  () => remember('dark', document.body.classList.toggle('dark')));
if (remembered('dark')) document.body.classList.toggle('dark', remembered('dark') === 'true');

const bench = make('section', {class: 'bench'}, controls, looks, lookStatus, deck);

element.replaceChildren(make('div', {class: 'cxr'},
  make('header', {class: 'top'},
    make('div', {class: 'name'}, make('h1', {}, page.title),
      make('p', {}, page.tagline), make('strong', {class: 'notice', role: 'note'}, page.notice)),
    make('div', {class: 'model'}, make('label', {for: 'cxr-model'}, tr('Model')), models),
    page.guests ? naming : null,
    KINDS.length ? tourButton : null,
    KINDS.length ? quizButton : null,
    languageChoice,
    dark),
  make('div', {class: 'upper'}, filmPane, guessPane, findingPane, facts),
  tablePanel, bench, gridPanel, panel, tourPane));

for (const method of page.methods) {
  const card = build(method);
  cards.set(method.key, card);
  deck.append(card.node);
}
pointing(filmCanvas);
pointing(wipeCanvas);
pointing(besideCanvas);
deck.append(wipeCard, besideCard);
filmPane.querySelector('.filmbar').after(besideBox);
showModel(page.spec);
showFindings();
arrange();
restoreFilms();
new ResizeObserver(() => draw()).observe(deck);
setInterval(() => {
  for (const card of shown()) if (entryOf(card)?.state === 'running') refresh(card);
  askNext();
}, 200);
