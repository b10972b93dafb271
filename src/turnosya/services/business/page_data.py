"""A business in the words of schema.org, for search engines (https://schema.org/LocalBusiness)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from babel.numbers import get_currency_precision

from turnosya.contracts.files import path_of
from turnosya.contracts.turnos import OpenHours, Opening
from turnosya.services.business.pictures_state import Picture
from turnosya.services.business.state import BusinessState, Offer

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where its page is, and where the gateway is, without a slash at the end."""

    page: str
    public: str

    def of(self, picture: Picture) -> str:
        """Where a picture is in full."""
        return f"{self.public}{path_of(picture.file_id)}"


def local_business(
    state: BusinessState, opening: Opening | None, gallery: Sequence[Picture], *, at: Addresses
) -> Mapping[str, Any]:
    """What is known of it; members of which nothing is known are left out."""
    said, address = state.profile, at.page
    shown = (state.portrait_image, state.profile_image, *gallery)
    return _known(
        {
            "@context": "https://schema.org",
            "@type": "LocalBusiness",
            "@id": address,
            "url": address,
            "name": said.name,
            "description": said.description,
            "image": [at.of(one) for one in shown if one is not None],
            "logo": None if state.profile_image is None else at.of(state.profile_image),
            "telephone": said.phone,
            "email": said.email,
            "sameAs": said.website,
            "currenciesAccepted": said.currency,
            "paymentAccepted": ", ".join(said.accepted_payments or ()),
            "address": _address(state),
            "geo": _place(state),
            "aggregateRating": _rating(state),
            "openingHoursSpecification": [_hours(one) for one in opening.weekly] if opening else [],
            "makesOffer": [_offer(one) for one in state.offers if one.active and not one.deleted],
        }
    )


def _known(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value not in (None, "", [])}


def _address(state: BusinessState) -> Mapping[str, Any] | None:
    where = state.profile.address
    if where is None:
        return None
    return _known(
        {
            "@type": "PostalAddress",
            "streetAddress": where.street,
            "addressLocality": where.city,
            "addressRegion": where.region,
            "postalCode": where.postal_code,
            "addressCountry": where.country,
        }
    )


def _place(state: BusinessState) -> Mapping[str, Any] | None:
    where = state.profile.location
    if where is None:
        return None
    return {"@type": "GeoCoordinates", "latitude": where.lat, "longitude": where.lon}


def _rating(state: BusinessState) -> Mapping[str, Any] | None:
    if state.average is None:
        return None
    return {
        "@type": "AggregateRating",
        "ratingValue": state.average,
        "ratingCount": sum(state.rating_counts),
        "bestRating": 5,
        "worstRating": 1,
    }


def _hours(hours: OpenHours) -> Mapping[str, Any]:
    return {
        "@type": "OpeningHoursSpecification",
        "dayOfWeek": f"https://schema.org/{_DAYS[hours.weekday - 1]}",
        "opens": hours.start,
        # The end of a day is its last minute there.
        "closes": "23:59" if hours.end == "24:00" else hours.end,
    }


def _offer(offer: Offer) -> Mapping[str, Any]:
    price = offer.price
    amount = None if price is None else Decimal(price.amount).scaleb(-get_currency_precision(price.currency))
    service = {"@type": "Service", "name": offer.name, "description": offer.description}
    return _known(
        {
            "@type": "Offer",
            "itemOffered": _known(service),
            "price": None if amount is None else str(amount),
            "priceCurrency": None if price is None else price.currency,
        }
    )
