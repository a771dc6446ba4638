"""JavaScript that measures a page."""

OVERFLOWING = """
(() => {
  const width = document.documentElement.clientWidth;
  const found = [...document.body.querySelectorAll('*')]
    .filter(e => !e.closest('svg') || e.tagName === 'svg')
    .filter(e => e.getBoundingClientRect().right > width + 0.5 || e.getBoundingClientRect().left < -0.5)
    .map(e => e.tagName + '.' + e.className);
  if (document.documentElement.scrollWidth > width) found.push('the page');
  return found;
})()
"""
"""Returns the elements that are wider than the page, and the page itself if it scrolls sideways."""

LOW_CONTRAST = """
(() => {
  const channels = color => color.match(/[\\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => [r, g, b]
    .map(c => c / 255).map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const ratio = (a, b) => {
    const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x);
    return (high + 0.05) / (low + 0.05);
  };
  const background = element => {
    for (let e = element; e; e = e.parentElement) {
      const color = channels(getComputedStyle(e).backgroundColor);
      if (color.length < 4 || color[3] === 1) return color;
      if (color[3] !== 0) throw new Error('a translucent background is not supported');
    }
    return [255, 255, 255];
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let texts = 0;
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || element.closest('title')) continue;
    if (!element.getClientRects().length) continue;
    texts += 1;
    const style = getComputedStyle(element);
    const size = parseFloat(style.fontSize);
    const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const color = channels(element.closest('svg') ? style.fill : style.color);
    const measured = ratio(color, background(element));
    if (measured < (isLarge ? 3 : 4.5)) found.push(`${measured.toFixed(2)}: ${walker.currentNode.data}`);
  }
  for (const rect of document.querySelectorAll('rect:not(.grid):not(.rest)')) {
    const measured = ratio(channels(getComputedStyle(rect).fill), background(rect.closest('div')));
    if (measured < 3) found.push(`${measured.toFixed(2)}: bar ${rect.getAttribute('class')}`);
  }
  if (!texts) found.push('the page has no text');
  return [...new Set(found)];
})()
"""
"""Returns texts below the contrast of WCAG 2.2 AA (4.5, large ones 3), and bars below 3."""

SHAPE = "[...document.querySelectorAll('*')].map(e => e.tagName).join(' ')"
"""Returns the elements of the page, in order."""
