// A drop zone: sends files one after the other to PUT own/{ticket}/{name}, then tells the page that all have come.
// Where one does not come, DELETE own/{ticket} removes those before it.
// Folders may be dropped too: a file is sent with the path of its folder.

// data: {ticket, limit in bytes of all files, how many files or null, advice, accept and images: suffixes, hint}
export default function ({ data, parentElement, setTriggerValue }) {
  const [zone, input, bar, status, hint] = [".zone", "input", ".bar", ".said", ".small"].map((name) =>
    parentElement.querySelector(name),
  );
  input.accept = data.accept.join(",");
  hint.textContent = data.hint;
  const show = (text, isError = false) => {
    status.textContent = text;
    status.classList.toggle("wrong", isError);
  };
  const showProgress = (share) => {
    bar.firstChild.style.width = `${100 * share}%`;
  };
  const sendAll = async (found, leftOut) => {
    const total = sumSizes(found);
    let sent = 0;
    for (const [i, one] of found.entries()) {
      const name = one.file.name;
      show(found.length > 1 ? `Sending ${i + 1} of ${found.length}: ${name}` : `Sending ${name}`);
      const before = sent;
      await sendFile(one, data.ticket, (loaded) => showProgress((before + loaded) / total));
      sent += one.file.size;
    }
    show("Reading ...");
    zone.dataset.complete = data.ticket;
    setTriggerValue("done", { ticket: data.ticket, leftOut: leftOut.length, names: leftOut.slice(0, 3) });
  };
  const takeFiles = async (all) => {
    if (!all.length) return;
    if (zone.dataset.complete === data.ticket) {
      return show("The last choice is being read. Choose again in a moment.", true);
    }
    const [found, leftOut] = chooseFiles(all, data.accept);
    if (!found.length) return show("Nothing in it is of a kind that is read here.", true);
    const problem = findProblem(found, data);
    if (problem) return show(problem, true);
    const hadFocus = input.matches(":focus");
    bar.hidden = false;
    input.disabled = true;
    try {
      await clearSet(data.ticket); // of a choice that broke off while the server was out of reach
      await sendAll(found, leftOut);
    } catch (reason) {
      show(reason, true);
      await clearSet(data.ticket).catch(() => {}); // or before the next choice
    }
    bar.hidden = true;
    input.disabled = false;
    input.value = "";
    if (hadFocus && document.activeElement === document.body) input.focus(); // which a disabled field loses
  };
  if (zone.dataset.ticket !== data.ticket) show(""); // another set is to be filled
  zone.dataset.ticket = data.ticket;
  input.onchange = () => takeFiles([...input.files].map((file) => ({ file, folder: "" })));
  zone.ondragover = (event) => {
    event.preventDefault();
    zone.classList.add("over");
  };
  zone.ondragleave = () => zone.classList.remove("over");
  zone.ondrop = (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    listDropped(event.dataTransfer).then(takeFiles, () => show("The folder cannot be read. Try again.", true));
  };
}

function sumSizes(found) {
  return found.reduce((sum, { file }) => sum + file.size, 0);
}

// A promise of [{file, folder}] of all files that were dropped, those in folders too.
async function listDropped(transfer) {
  const files = [...transfer.files].map((file) => ({ file, folder: "" }));
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter((entry) => entry);
  if (!entries.some((entry) => entry.isDirectory)) return files;
  return (await Promise.all(entries.map((entry) => listEntry(entry, "")))).flat();
}

async function listEntry(entry, folder) {
  if (entry.name.startsWith(".")) return [];
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    return [{ file, folder }];
  }
  const reader = entry.createReader();
  const inside = folder ? `${folder}/${entry.name}` : entry.name;
  const found = [];
  for (;;) {
    // a reader gives some at a time, and none when all were given
    const entries = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!entries.length) return found;
    for (const each of entries) found.push(...(await listEntry(each, inside)));
  }
}

// Of several files those of a kind that is read, and the names of the others; one alone is sent whatever it is.
// A table alone needs no folder.
function chooseFiles(all, accept) {
  if (all.length === 1) return [[{ file: all[0].file, folder: "" }], []];
  const isRead = ({ file }) => accept.some((suffix) => file.name.toLowerCase().endsWith(suffix));
  const found = all.filter(isRead);
  const leftOut = all.filter((one) => !isRead(one)).map(({ file }) => file.name);
  return [found.length === 1 ? [{ file: found[0].file, folder: "" }] : found, leftOut];
}

// Why files cannot be sent, as a sentence; null where they can.
function findProblem(found, { limit, files: count, advice, images }) {
  const files = found.map(({ file }) => file);
  const total = sumSizes(found);
  if (total > limit) {
    const size = (bytes) => `${Math.ceil(bytes / 1e6).toLocaleString("en")} MB`;
    return `${files[0].name} has ${size(total)}; the limit is ${size(limit)}. ${advice}`;
  }
  if (count !== null && files.length > count) {
    return `A data set has at most ${count.toLocaleString("en")} files. Pack them in one .zip.`;
  }
  const isImage = ({ file }) => images.some((suffix) => file.name.toLowerCase().endsWith(suffix));
  const single = found.find((one) => !one.folder && !isImage(one));
  if (found.length > 1 && single) {
    return (
      `${single.file.name} is a data set of its own. Bring one file at a time, pictures alone, or a ` +
      "folder or .zip of pictures with the table of their classes."
    );
  }
  const empty = files.find((file) => !file.size);
  return empty ? `${empty.name} is empty. Choose another file.` : null;
}

function sendFile({ file, folder }, ticket, onProgress) {
  const query = folder ? `?folder=${encodeURIComponent(folder)}` : "";
  return ask("PUT", `own/${ticket}/${encodeURIComponent(file.name)}${query}`, file, onProgress);
}

// Removes what has come for the ticket's set.
function clearSet(ticket) {
  return ask("DELETE", `own/${ticket}`);
}

// A promise that is rejected with a sentence; onProgress(bytes sent) is called meanwhile.
function ask(method, path, body = null, onProgress = null) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open(method, new URL(path, location.href.split("?")[0]));
    if (onProgress) request.upload.onprogress = (event) => onProgress(event.loaded);
    request.onload = () => {
      if (request.status === 200) resolve();
      else reject(readError(request.response) || `The server answered ${request.status}.`);
    };
    request.onerror = () => reject("The connection broke off. Try again.");
    request.send(body);
  });
}

// The error of a JSON answer; none where a proxy answered with a page.
function readError(response) {
  try {
    return JSON.parse(response).error;
  } catch {
    return undefined;
  }
}
