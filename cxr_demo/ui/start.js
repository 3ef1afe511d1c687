// Puts the page together; comes last.

// ------------------------------------------------------------------ the page

const dark = button('Light / dark', {class: 'quiet', 'aria-label': 'Switch between light and dark'},
  () => document.body.classList.toggle('dark'));

const bench = make('section', {class: 'bench'}, controls, looks, deck);

element.replaceChildren(make('div', {class: 'cxr'},
  make('header', {class: 'top'},
    make('div', {class: 'name'}, make('h1', {}, page.title), make('p', {}, page.tagline)),
    make('div', {class: 'model'}, make('label', {for: 'cxr-model'}, 'Model'), models),
    page.guests ? naming : null,
    KINDS.length ? tourButton : null,
    KINDS.length ? quizButton : null,
    dark,
    make('strong', {class: 'notice', role: 'note'}, page.notice)),
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
new ResizeObserver(() => draw()).observe(deck);
setInterval(() => {
  for (const card of shown()) if (entryOf(card)?.state === 'running') refresh(card);
  askNext();
}, 200);
