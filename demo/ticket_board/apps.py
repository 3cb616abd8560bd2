from django.apps import AppConfig


class TicketBoardConfig(AppConfig):
    name = "demo.ticket_board"
    verbose_name = "Ticket board"
