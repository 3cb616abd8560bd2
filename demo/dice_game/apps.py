from django.apps import AppConfig


class DiceGameConfig(AppConfig):
    name = "demo.dice_game"
    verbose_name = "Dice game"
