// Pixels arrive apart from the viewer, each in a message of its own, so that Streamlit sends only those that changed.
const store = (globalThis.loporeStore ??= { slots: new Map(), listeners: new Set(), touched: 0, awaited: null });

function put(slot, id, bytes, owner) {
  store.slots.set(slot, { id, bytes, owner });
  store.listeners.forEach((listener) => listener(slot));
}

// A film was asked for whose image is not there yet: nothing of another one may stand beside its answer.
function expect(film) {
  store.awaited = film;
  document.documentElement.classList.toggle("lopore-awaits", film !== null);
  store.listeners.forEach((listener) => listener("awaited"));
}

function touch() {
  store.touched = performance.now();
}

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text; // never markup
  return made;
}

function button(text, title, work) {
  const made = element("button", "", text);
  made.type = "button";
  made.title = title;
  made.addEventListener("click", work);
  return made;
}

// A plain function of the module calls this: one object for each place on the page, whatever the number of updates.
function mount(kinds, Kind) {
  return ({ data, parentElement, setStateValue, setTriggerValue }) => {
    let made = kinds.get(parentElement);
    if (!made) kinds.set(parentElement, (made = new Kind(parentElement)));
    made.send = setStateValue;
    made.trigger = setTriggerValue;
    if (data) made.update(data);
    return () => {
      made.close();
      kinds.delete(parentElement);
    };
  };
}
