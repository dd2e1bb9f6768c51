"""Wallets as users. A trader's account is an address; a staff account has a password and no address."""

from typing import Any

import pghistory
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from otc.core.fields import AddressField, Hash32Field, to_checksum


class UserManager(BaseUserManager["User"]):
    def for_wallet(self, address: str) -> "User":
        """The account of a wallet, made on first sight."""
        defaults = {"username": address, "password": make_password(None)}
        return self.get_or_create(address=address, defaults=defaults)[0]

    def create_superuser(self, username: str, password: str | None = None, **extra: Any) -> "User":
        user = self.model(username=username, is_staff=True, is_superuser=True, **extra)
        user.set_password(password)
        user.save(using=self._db)
        return user


@pghistory.track(
    fields=["username", "address", "contract_chain_id", "is_staff", "is_superuser", "is_active"],
    obj_field=pghistory.ObjForeignKey(related_name="changes"),
    model_name="UserChange",
)
class User(AbstractBaseUser, PermissionsMixin):
    username = models.CharField(max_length=64, unique=True)
    address = AddressField(null=True, blank=True, unique=True)
    contract_chain_id = models.PositiveBigIntegerField(
        null=True,
        blank=True,
        help_text="The chain whose contract at the address signed in. Null: none did yet, a key may have.",
    )
    is_staff = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True)
    joined_at = models.DateTimeField(db_default=Now())

    objects = UserManager()

    USERNAME_FIELD = "username"

    class Meta:
        constraints = [
            # A key that signs in must never open the admin panel.
            models.CheckConstraint(
                condition=Q(address=None) | Q(is_staff=False, is_superuser=False), name="wallet_is_no_staff"
            ),
            # A wallet's user name is its address: nobody else may take one that looks like it.
            models.CheckConstraint(
                condition=Q(address__isnull=False) | ~Q(username__istartswith="0x"),
                name="staff_name_is_no_address",
                violation_error_message="The name of a staff account can't start with 0x: that is how wallets are named.",
            ),
            models.CheckConstraint(
                condition=Q(address__isnull=False) | Q(contract_chain_id=None), name="contract_chain_is_a_wallets"
            ),
        ]

    def __str__(self) -> str:
        return to_checksum(self.address) if self.address else self.username

    def speaks_on(self, chain_id: int) -> bool:
        """Whether it may act for its address on that chain: a contract's owners on another chain may be others."""
        return self.contract_chain_id in {None, chain_id}


class SignInNonce(models.Model):
    """A nonce we gave out for Sign-In with Ethereum: used at most once, within minutes."""

    nonce = models.CharField(max_length=40, primary_key=True)
    issued_at = models.DateTimeField(db_default=Now(), db_index=True)
    used_at = models.DateTimeField(null=True)


class AccessToken(models.Model):
    """A bearer token of a signed-in wallet; only its SHA-256 is kept."""

    digest = Hash32Field(unique=True)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="tokens")
    issued_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField(db_index=True)
