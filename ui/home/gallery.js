// The gallery of Home: one digit is chosen for all cards, and each shows what its model makes of that digit.

import { element } from "../../aecore/explorer/web/dom.js";

const DIGITS = 10;
const FIRST_DIGIT = 2;
const ACTIONS = { explain: "How it works", map: "Latent map", train: "Train" };

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".gallery");
  root.open = (action, variant, button) => {
    if (action === "explain") returnFocus(button);
    setTriggerValue("open", { action, variant });
  };
  const content = JSON.stringify(data);
  if (root.content === content) return; // a button that opened a dialog is there when that closes
  root.content = content;
  whenIdle(() => {
    root.querySelector(".cards").replaceChildren(...data.map((card) => makeCard(root, card)));
    makeDigits(root, data.find((card) => card.sheet));
    chooseDigit(root, root.digit ?? FIRST_DIGIT);
  });
}

// The explorer above comes first.
function whenIdle(work) {
  if (globalThis.requestIdleCallback) requestIdleCallback(work, { timeout: 1000 });
  else setTimeout(work);
}

// A dialog of Streamlit leaves the focus to the page as a whole when it closes.
function returnFocus(button) {
  let wasOpen = false;
  const watcher = new MutationObserver(() => {
    const isOpen = Boolean(document.querySelector("[role=dialog]"));
    if (wasOpen && !isOpen) {
      watcher.disconnect();
      setTimeout(() => button.focus());
    }
    wasOpen = isOpen;
  });
  watcher.observe(document.body, { childList: true, subtree: true });
}

// One of the ten pictures in a line of a card's sheet; CSS moves the sheet to the chosen digit.
function makePicture({ sheet, lines }, line, options) {
  const style = `background-image: url(${sheet}); --line: ${line}; --lines: ${lines.length}`;
  return element("div", { class: "picture", style, ...options });
}

function makeDigits(root, card) {
  const bar = root.querySelector(".digits");
  if (!card) return bar.replaceChildren();
  const buttons = Array.from({ length: DIGITS }, (_, digit) =>
    element(
      "button",
      {
        type: "button",
        role: "radio",
        "aria-label": `Digit ${digit}`,
        style: `--digit: ${digit}`,
        onclick: () => chooseDigit(root, digit),
        onpointerenter: () => chooseDigit(root, digit),
      },
      makePicture(card, card.lines.indexOf("input") < 0 ? 1 : 0, {}),
    ),
  );
  bar.onkeydown = (event) => moveChoice(root, buttons, event);
  bar.replaceChildren(...buttons);
}

function moveChoice(root, buttons, event) {
  const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  chooseDigit(root, (root.digit + step + DIGITS) % DIGITS);
  buttons[root.digit].focus();
}

function chooseDigit(root, digit) {
  root.digit = digit;
  root.querySelector(".cards").style.setProperty("--digit", digit);
  root.querySelectorAll("[role=radio]").forEach((button, i) => {
    button.setAttribute("aria-checked", i === digit);
    button.tabIndex = i === digit ? 0 : -1;
  });
}

function makeCard(root, card) {
  const { variant, label, family, colour, summary, note, sheet, lines = [] } = card;
  const pictures = lines.map((name, line) =>
    element(
      "figure",
      {},
      makePicture(card, line, { role: "img", "aria-label": `${label}: ${name}` }),
      element("figcaption", {}, name),
    ),
  );
  const strip = element("div", { class: "strip" }, ...pictures);
  strip.onpointermove = ({ clientX }) => {
    const { left, width } = strip.getBoundingClientRect();
    chooseDigit(root, Math.max(0, Math.min(DIGITS - 1, Math.floor((DIGITS * (clientX - left)) / width))));
  };
  const buttons = Object.entries(ACTIONS)
    .filter(([action]) => sheet || action !== "map")
    .map(([action, text]) =>
      element("button", { type: "button", "aria-label": `${text}: ${label}`, onclick: (event) => root.open(action, variant, event.currentTarget) }, text),
    );
  return element(
    "article",
    { style: `--colour: ${colour}` },
    element("h3", {}, label, " ", element("small", {}, family)),
    element("p", {}, summary),
    strip,
    element("p", { class: "note" }, note),
    element("div", { class: "actions" }, ...buttons),
  );
}
