// Used by all pages: the colours of maps, and the light and the dark theme.
const VIRIDIS = 'FOVEA-VIRIDIS'.split(' ').map(hex => [0, 2, 4].map(at => parseInt(hex.slice(at, at + 2), 16)));
document.documentElement.style.setProperty('--viridis', `linear-gradient(to right, ${VIRIDIS.map(rgb => `rgb(${rgb})`).join(', ')})`);
/** The colour of a value from 0 to 1, as red, green and blue. */
function viridis(share) {
  const at = Math.max(0, Math.min(1, share)) * (VIRIDIS.length - 1), from = Math.min(VIRIDIS.length - 2, Math.floor(at));
  return VIRIDIS[from].map((value, i) => value + (VIRIDIS[from + 1][i] - value) * (at - from));
}

// This runs before the first paint, so that the page does not flash in the wrong theme. Local files may have no storage.
try { const theme = localStorage.getItem('fovea-theme'); if (theme) document.documentElement.dataset.theme = theme; } catch (e) { /* the system's theme */ }
function dark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
}
/** Switches between the light and the dark theme; the system's theme is the default. */
function themeButton(button) {
  const label = () => { button.textContent = dark() ? 'Light theme' : 'Dark theme'; };
  button.addEventListener('click', () => {
    document.documentElement.dataset.theme = dark() ? 'light' : 'dark';
    try { localStorage.setItem('fovea-theme', document.documentElement.dataset.theme); } catch (e) { /* without storage the choice lasts for this visit */ }
    label();
  });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', label);
  label();
}
