/** Each user has a colour, which is the same on all pages. */

/** Return an element with a user's name and colour. */
export function person(name) {
  const element = document.createElement("span");
  element.className = "person";
  element.dataset.person = name;
  element.textContent = name;
  return paint(element);
}

/** Return the hue of a user's colour, in degrees. */
export function hue(name) {
  let sum = 0;
  for (const letter of name) sum = (sum * 37 + letter.codePointAt(0)) % 360;
  return (sum * 47) % 360;
}

function paint(element) {
  element.style.setProperty("--hue", hue(element.dataset.person));
  return element;
}

document.querySelectorAll("[data-person]").forEach(paint);
