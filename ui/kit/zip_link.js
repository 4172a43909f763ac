// A link to a .zip that the server writes while it is read. data: {token, label}
export default function ({ data, parentElement }) {
  const link = parentElement.querySelector("a");
  const base = new URL(".", location.href.split("?")[0]); // the app's, whichever page this is
  link.href = new URL(`things/${data.token}`, base);
  link.textContent = data.label;
}
