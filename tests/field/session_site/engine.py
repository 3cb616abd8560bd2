"""The session engine, with the behaviour of django-user-sessions: `load` marks it as modified."""

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.base import CreateError, SessionBase
from django.db import IntegrityError, transaction
from django.utils import timezone

from tests.field.session_site.models import UserSession


class SessionStore(SessionBase):
    def __init__(self, session_key=None, user_agent=None):
        super().__init__(session_key)
        self.user_agent = user_agent
        self.user_id = None

    def __setitem__(self, key, value):
        if key == SESSION_KEY:
            self.user_id = value
        super().__setitem__(key, value)

    def load(self):
        now = timezone.now()
        row = UserSession.objects.filter(pk=self.session_key, expire_date__gt=now).first()
        if row is None:
            self.create()
            return {}
        self.user_id = row.user_id
        self.modified = self.modified or self.user_agent != row.user_agent
        return self.decode(row.session_data)

    def exists(self, session_key):
        return UserSession.objects.filter(pk=session_key).exists()

    def create(self):
        self._session_key = self._get_new_session_key()
        self.save(must_create=True)
        self.modified = True
        self._session_cache = {}

    def save(self, must_create=False):
        row = UserSession(
            session_key=self._get_or_create_session_key(),
            session_data=self.encode(self._get_session(no_load=must_create)),
            expire_date=self.get_expiry_date(),
            user_agent=self.user_agent,
            user_id=self.user_id,
        )
        try:
            with transaction.atomic():
                row.save(force_insert=must_create)
        except IntegrityError:
            raise CreateError from None

    def delete(self, session_key=None):
        UserSession.objects.filter(pk=session_key or self.session_key).delete()
