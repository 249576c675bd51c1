"""report: one page of the whole run, in one file that opens without a network."""

from stages.base import command, params, paths, records
from stages.page import render


@command.stage("report")
def main() -> None:
    """Put scores, charts, pictures, tables and params into one page."""
    page = render.page(params.load("report"))
    records.write_text(paths.REPORT, page.html)
    records.write_metrics("report", {"pictures": page.pictures, "charts": page.charts})


if __name__ == "__main__":
    main()
