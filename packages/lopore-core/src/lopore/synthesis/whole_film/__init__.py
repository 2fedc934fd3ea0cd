"""Whole made weld films, 10 to 50 cm, with every mark on them known in mm: ``whole_film(seed)``."""

from .data_set import write_whole_films
from .make import MadeIndication, WholeFilm, whole_film
from .recipe import WholeFilmSettings

__all__ = ["MadeIndication", "WholeFilm", "WholeFilmSettings", "whole_film", "write_whole_films"]
