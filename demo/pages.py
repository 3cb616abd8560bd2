"""The pages of the demo, for the navigation, the cards and the links behind each page."""

from dataclasses import dataclass
from functools import cache
from urllib.parse import urlencode

from django.urls import reverse

from rest_channels.console.pages import page_key
from rest_channels.introspection.sockets import describe_sockets


@dataclass(frozen=True)
class Page:
    """A page, or several with the same beginning of their path.

    Attributes:
        title: Its name in the navigation.
        text: What it shows.
        url: The address of the first one.
        socket: The path of its socket, as the console lists it; empty for all sockets.
        cls: The class that its socket extends.
        docs: The page of the documentation about it.
        source: The file with its socket.
    """

    title: str
    text: str
    url: str
    socket: str
    cls: str
    docs: str
    source: str

    @property
    def root(self):
        """The beginning of the path of all its pages."""
        return self.url[: self.url.find("/", 1) + 1] or "/"

    @property
    def picture(self):
        """The beginning of the names of its pictures."""
        return f"demo/pictures/{self.root.strip('/')}"

    @property
    def docs_url(self):
        return file_url(self.docs)

    @property
    def source_url(self):
        return file_url(self.source)

    @property
    def console_url(self):
        return console_url(self.socket) if self.socket else reverse("rest_channels:sockets")

    @property
    def admin_url(self):
        return sockets_url(self.root)


HOME = Page(
    title="Demo",
    text="",
    url="/",
    socket="",
    cls="",
    docs="docs/README.md",
    source="demo/live.py",
)

PAGES = [
    Page(
        title="Shopping list",
        text="The list above, as a page of its own. Every tab with it, and the admin, change the "
        "same rows, and an observer sends each change to all.",
        url="/shopping-list/",
        socket="/shopping-list/",
        cls="ModelConsumer",
        docs="docs/observers.md",
        source="demo/shopping_list/consumers.py",
    ),
    Page(
        title="Sequencer",
        text="Several users edit a piece of music at the same time. Each change is saved as a "
        "version. A user without access gets an error message.",
        url="/sequencer/",
        socket="/sequencer/<int:pk>/",
        cls="SocketRouteView",
        docs="docs/tutorials/composition-editor.md",
        source="demo/sequencer/socket_views.py",
    ),
    Page(
        title="Chat rooms",
        text="Rooms that observe the database. A message appears at once, whether a page, a "
        "terminal, the admin or another server saved it.",
        url="/chat-rooms/",
        socket="/chat-rooms/",
        cls="GenericAsyncAPIConsumer",
        docs="docs/tutorials/chat.md",
        source="demo/chat_rooms/consumers.py",
    ),
    Page(
        title="Ticket board",
        text="Three users on one page, each with a live list that has filters of its own. See how "
        "many queries a change needs, and withdraw a user's access.",
        url="/ticket-board/",
        socket="/ticket-board/",
        cls="ObserverModelListMixin",
        docs="docs/live-queries.md",
        source="demo/ticket_board/consumers.py",
    ),
    Page(
        title="Dice game",
        text="A game for two to four players and any number of spectators. Page and socket are "
        "one class. Each open connection is a row in the database.",
        url="/dice-game/1/",
        socket="/dice-game/<int:pk>/",
        cls="SocketRouter",
        docs="docs/tutorials/game-table.md",
        source="demo/dice_game/views.py",
    ),
    Page(
        title="Plants",
        text="All actions of a model in a few lines: search, pages, create, update, delete. Only "
        "the owner may change a plant. Every user may water it.",
        url="/plants/",
        socket="/plants/",
        cls="ModelConsumer",
        docs="docs/actions.md",
        source="demo/plants/consumers.py",
    ),
    Page(
        title="Channels tutorial",
        text="The chat room of the Channels tutorial. Its consumer does not use REST Channels, "
        "but runs in the same application.",
        url="/channels-tutorial/lobby/",
        socket="/ws/channels-tutorial/<room_name>/",
        cls="WebsocketConsumer",
        docs="docs/tutorials/plain-consumer.md",
        source="demo/channels_tutorial/consumers.py",
    ),
]

CONSOLE = Page(
    title="Console",
    text="A page for each socket of the project: what it takes, forms to try it, and a log of all "
    "frames. It is for sockets what the browsable API is for views.",
    url="/sockets/",
    socket="",
    cls="",
    docs="docs/console.md",
    source="rest_channels/console/views.py",
)


@cache
def console_url(path):
    """Return the address of the console's page for the socket at `path`."""
    socket = next(each for each in describe_sockets() if each.path == path)
    return reverse("rest_channels:socket", args=[page_key(socket)])


def page_at(path):
    """Return the page at `path`; the home page for all other paths."""
    return next((page for page in PAGES if path.startswith(page.root)), HOME)


def file_url(path):
    return reverse("file", args=[path])


def sockets_url(path):
    """Return the URL of the admin's list of sockets whose path has this text."""
    return f"{reverse('admin:sockets_socket_changelist')}?{urlencode({'q': path})}"
