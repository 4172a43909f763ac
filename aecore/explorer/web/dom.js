// Elements, made without templates: text stays text, whatever a stranger's column is called.

// element("button", {class: "x", onclick: f, aria-label: "y"}, child, "text", ...)
export function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node[name] = value;
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child != null));
  return node;
}

const ICONS = {
  move: "M8 1v14M1 8h14M8 1 6 3M8 1l2 2M8 15l-2-2M8 15l2-2M1 8l2-2M1 8l2 2M15 8l-2-2M15 8l-2 2",
  box: "M2 3h12v10H2z",
  lasso: "M3 9C1 4 6 2 9 2s6 3 5 6-7 4-9 2-1 3-2 5",
  path: "M2 13C3 6 6 12 8 8s3-6 6-5",
  plane: "M2 11 6 4l8 1-4 8z",
};

// An icon of 16 x 16 pixels.
export function drawIcon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  for (const [key, value] of Object.entries({
    viewBox: "0 0 16 16",
    width: 16,
    height: 16,
    fill: "none",
    stroke: "currentColor",
    "stroke-width": 1.5,
    "stroke-linecap": "round",
    "aria-hidden": "true",
  }))
    svg.setAttribute(key, value);
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

// Offer a Blob as a file.
export function saveFile(blob, name) {
  const link = element("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

// A few values as text, in three significant digits.
export function formatNumbers(values, limit = 4) {
  const text = Array.from(values.slice(0, limit), (value) => value.toPrecision(3)).join(", ");
  return values.length > limit ? `${text}, ... (${values.length})` : text;
}
