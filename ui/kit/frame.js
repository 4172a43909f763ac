// Tells the page around a Space's frame the query string that brings a visitor back to this place.

// data: {parent: the origin that is told, parameter: the name of the page's parameter}
let told = null; // null before the first time
export default function ({ data }) {
  if (window.self === window.top) return;
  const tell = () => {
    const queryString = formatQuery(location, data.parameter);
    if (told === queryString + location.hash) return;
    told = queryString + location.hash;
    window.parent.postMessage({ queryString, hash: location.hash }, data.parent);
  };
  if (told === null) watchHistory(tell);
  tell();
}

// "?page=latent&run=a" for /latent?run=a. Parameters of the Space itself, such as __theme, are its own affair.
function formatQuery({ pathname, search }, parameter) {
  const own = [...new URLSearchParams(search)].filter(([name]) => !name.startsWith("__") && name !== parameter);
  const page = pathname.split("/").pop();
  const query = new URLSearchParams(page ? [[parameter, page], ...own] : own).toString();
  return query && `?${query}`;
}

function watchHistory(onChange) {
  for (const name of ["pushState", "replaceState"]) {
    const change = history[name];
    history[name] = function (...values) {
      change.apply(this, values);
      onChange();
    };
  }
  window.addEventListener("popstate", onChange);
}
