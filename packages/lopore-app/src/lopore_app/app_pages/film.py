"""Film: one whole film, its marks, and what a person decides on each of them."""

from __future__ import annotations

from lopore_app.film.reviewer_fields import reviewer_fields
from lopore_app.inspection.table_page import table_page

table_page("lopore_app.film.film_desk", "film_desk", reviewer_fields)
