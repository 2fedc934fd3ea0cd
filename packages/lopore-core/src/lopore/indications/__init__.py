"""From maps to indications in mm and a verdict."""
