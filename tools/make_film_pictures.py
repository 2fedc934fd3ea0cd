"""Draw docs/images/film-*.webp, the walk of "A film in ten minutes" on a made film by the model ``weld``.

python tools/make_film_pictures.py          (POSIX; needs lopore-weld, selenium, Chromium)
"""

from __future__ import annotations

import argparse
import io
import tempfile
import time
from pathlib import Path

from make_app_picture import IMAGES, WIDTH, Visit, app, until

SEED, FILM, PITCH = 2, "TZ592.png", "0.1"
DRAG = """
const canvas = all('.pane canvas')[0], box = canvas.getBoundingClientRect();
canvas.setPointerCapture = () => {};
const send = (kind, x, y) => canvas.dispatchEvent(new PointerEvent(kind, { bubbles: true, composed: true,
  pointerId: 1, button: 0, clientX: box.left + x * box.width, clientY: box.top + y * box.height }));
const drag = (x0, y0, x1, y1) => {
  send('pointerdown', x0, y0); send('pointermove', x1, y1); send('pointerup', x1, y1);
};
const tool = (name) => all('.viewer button').find((item) => item.textContent === name).click();
const key = (name) => document.body.dispatchEvent(new KeyboardEvent('keydown', { key: name, bubbles: true }));
"""


class Desk(Visit):
    """A reader at the page Film."""

    def act(self, script: str) -> None:
        self.run(DRAG + script)
        time.sleep(1.5)

    def enter(self, label: str, text: str) -> None:
        path = f"//input[@aria-label='{label}']"
        until(lambda: self.browser.find_element("xpath", path).send_keys(f"{text}\n") or True, label)
        time.sleep(1.5)

    def tab(self, name: str) -> None:
        self.press(f"//*[@role='tab'][normalize-space(.)='{name}']")
        time.sleep(1)


def walk(desk: Desk, film: Path) -> dict[str, bytes]:
    """The images of the walk, in its order."""
    desk.press("//a[@data-testid='stTopNavLink'][contains(., 'Film')]")
    until(lambda: desk.browser.find_element("css selector", "input[type=file]").send_keys(str(film)) or True, "field")
    until(lambda: desk.run("return all('.pane canvas').length"), "the film")
    for label, text in (("Reviewer", "Eva Roth"), ("Level", "RT 2"), ("Pixel pitch in mm", PITCH)):
        desk.enter(label, text)
    taken = {"film-quality": desk.image()}
    desk.press("//button[contains(., 'Inspect the film')]")
    until(lambda: desk.run("return all('.marks tbody tr').length > 1"), "the marks")
    desk.tab("Verdict")
    desk.press("//label[contains(., 'Set aside marks beside')]")
    taken["film-marks"] = desk.image()
    desk.act("key('n')")
    desk.tab("Mark")
    taken["film-mark"] = desk.image()
    desk.act("key('f')")
    desk.act("tool('Not judged'); drag(0.74, 0.3, 0.92, 0.55)")
    desk.act("all('.marks tbody tr')[0].click()")
    desk.act("key('a'); key('a'); key('r'); key('f')")
    desk.tab("Save")
    taken["film-decided"] = desk.image()
    desk.tab("Film")
    desk.act("tool('Line'); drag(0.2, 0.5, 0.4, 0.75)")
    desk.act("tool('Area'); drag(0.5, 0.62, 0.6, 0.68); drag(0.3, 0.7, 0.4, 0.76)")
    time.sleep(2)
    taken["film-measured"] = desk.image()
    desk.act("for (let left = 0; left < 9; left++) key('a')")
    desk.tab("Verdict")
    desk.press("//input[@aria-label='Your answer for this film']")
    desk.press("//*[@role='option'][.='not acceptable']")
    desk.press("//button[contains(., 'Sign as Eva Roth')]")
    until(lambda: "signed by Eva Roth" in desk.browser.find_element("tag name", "body").text, "the signature")
    taken["film-signed"] = desk.image()
    return taken


def main() -> None:
    """Make the film, start the app, take the images, end the app."""
    from PIL import Image

    from lopore.reading.encode import write_radiograph
    from lopore.synthesis.whole_film import whole_film

    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    with tempfile.TemporaryDirectory() as folder, app(Path(folder), Path(folder)) as port:
        film = Path(folder) / FILM
        write_radiograph(whole_film(SEED).pixels, film)
        desk = Desk(port, "light")
        try:
            taken = walk(desk, film)
        finally:
            desk.browser.quit()
    for name, content in taken.items():
        image = Image.open(io.BytesIO(content)).convert("RGB")
        path = IMAGES / f"{name}.webp"
        small = image.resize((WIDTH, round(image.height * WIDTH / image.width)), Image.Resampling.LANCZOS)
        small.save(path, quality=82, method=6)
        print(f"{path.name}: {path.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
