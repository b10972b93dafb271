"""What can be set for jobs."""

from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from turnosya.runtime.settings import Settings


class JobsSettings(Settings):
    """Settings of the jobs service."""

    jobs_workers: int = Field(64, ge=1, le=1024, description="Jobs that one process makes at once.")
    jobs_poll_s: float = Field(
        1.0, gt=0, le=5, description="How often the timetable is looked at when nobody said it changed."
    )
    jobs_lease_s: float = Field(
        30.0,
        gt=0,
        le=35,
        description="After this a killed worker's job is started again; who lives renews it.",
    )
    jobs_retry_delays_s: Annotated[tuple[float, ...], NoDecode] = Field(
        (1.0, 5.0, 30.0, 300.0, 1800.0),
        min_length=1,
        description="Waits between tries of a job, up to a fifth longer by chance; the last one repeats.",
    )
    jobs_done_kept_days: int = Field(7, ge=1, description="How long jobs that were done or cancelled stay.")
    jobs_failed_kept_days: int = Field(
        90, ge=1, description="How long jobs that failed for good stay, with their last errors."
    )
    clock_wait_s: float = Field(
        5.0, gt=0, description="Development: how long every process may take to follow a move of the clock."
    )
    clock_silent_s: float = Field(
        5.0, gt=0, description="Development: after so long without a heartbeat a process is not waited for."
    )

    @field_validator("jobs_retry_delays_s", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return value.split(",") if isinstance(value, str) else value
