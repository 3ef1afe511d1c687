// A viewer in a file of its own, without a server: what it would ask was asked before, and is answered from that.

const recorded = JSON.parse(document.getElementById('recorded').textContent);
const element = document.getElementById('viewer');
const props = {about: recorded.about};
const upload = () => Promise.reject(new Error('There is no server.'));

function trigger(event, {turn, run}) {
  const answer = recorded.answers[event];
  if (answer) queueMicrotask(() => document.dispatchEvent(new CustomEvent(CHANNEL, {detail: {...answer, turn, run}})));
}
